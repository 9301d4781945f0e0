"""`--replay`: sends rejects again. Delivered ones leave the file, the others stay with their new reason.

The file is read like the output of a tap, and written anew each time a part of it is done: what is done is left out,
what was rejected again has its new line, the rest stays as it was. After a kill the file holds all that was not known
to be done; sending some of it again does no harm, for events carry ids by which a service or the ledger knows them.
"""

from __future__ import annotations

import fcntl
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from ..errors import ConnectorError
from ..private_files import check_private_file
from .decoding import decode_line
from .delivery import Origin
from .rejects import json_line
from .rejects_file import Schemas, locked, read_schemas, replacing
from .services import Services, Stream
from .streams import Streams

# How many lines are sent before the file may be written anew.
LINES_PER_STEP = 500


class Replayed(Origin, gc=False):
    """A record of a rejects file.

    Attributes:
        number: Its line's number, from 0.
        line: The line.
    """

    number: int
    line: bytes

    def record(self) -> Any:
        """Return the record as the tap sent it."""
        return decode_line(self.line, self.number)["record"]


class Replay:
    """A rejects file that is sent again.

    Args:
        path: The file.
        target: Name of the target.

    Attributes:
        unreadable: Numbers of lines, from 1, that are not rejects: they stay as they are.

    Raises:
        ConnectorError: It cannot be read, is replayed by another program, or is another target's.
    """

    END = sys.maxsize  # for `done`: all lines

    def __init__(self, path: str, target: str) -> None:
        self.path = Path(path).expanduser().absolute()
        self.unreadable: list[int] = []
        self._kept: dict[int, bytes] = {}  # by number of the original line, what stays in its place
        if not check_private_file(self.path, "--replay"):
            raise ConnectorError(f"--replay: {self.path} does not exist.")
        self._schemas = read_schemas(self.path) or Schemas(target)
        if self._schemas.target != target:
            raise ConnectorError(
                f"--replay: {self.path} holds rejects of {self._schemas.target}: replay them with that target."
            )
        self._source = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
        self._locked = [self._source]  # and each file that takes its place
        self._lock(self._source)
        self._size = self._written = os.fstat(self._source).st_size

    def _lock(self, descriptor: int) -> None:
        """Keep other replays away. Runs that append use another kind of lock."""
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            raise ConnectorError(f"--replay: {self.path} is being replayed by another program.") from None

    def streams(self) -> Iterator[Stream]:
        """Yield each stream of the file, with the schema that the tap sent, or else one that takes any column."""
        columns: dict[str, dict[str, Any]] = {}
        for origin, record in self.records():
            columns.setdefault(origin.stream, {}).update((column, {}) for column in record)
        for name, properties in columns.items():
            known = self._schemas.streams.get(name)
            if known is None:
                yield Stream(name, {"type": "object", "properties": properties}, [])
            else:
                yield Stream(name, known.schema, known.key_properties)

    def records(self) -> Iterator[tuple[Replayed, dict[str, Any]]]:
        """Yield the records to be sent, and where they stand."""
        self.unreadable = []
        for number, line in self._lines():
            if not line.strip():
                continue
            try:
                reject = decode_line(line, number)
                stream, record = reject["stream"], reject["record"]
            except (ConnectorError, KeyError):
                stream = record = None
            if isinstance(stream, str) and isinstance(record, dict):
                yield Replayed(stream, number, line), record
            else:
                self.unreadable.append(number + 1)
                self._kept[number] = line.removesuffix(b"\n") + b"\n"

    def write(self, line: bytes, origin: Any) -> None:
        """Put a new line in the place of that of a record that was rejected again."""
        if isinstance(origin, Replayed):
            self._kept[origin.number] = line

    def keep(self, origin: Replayed, reason: str) -> None:
        """Leave a record in the file, with another reason."""
        self._kept[origin.number] = json_line(decode_line(origin.line, origin.number) | {"reason": reason})

    def done(self, count: int) -> None:
        """Write the file anew: its first `count` lines are delivered, or were rejected again.

        Raises:
            ConnectorError: It cannot be written.
        """
        try:
            with locked(self.path) as current, replacing(self.path) as file:
                for number, line in self._lines():
                    if number in self._kept:
                        file.write(self._kept[number])
                    elif number >= count:
                        file.write(line.removesuffix(b"\n") + b"\n")
                written = file.tell()
                appended = os.fstat(current).st_size - self._written
                file.write(os.pread(current, appended, self._written))  # by other runs meanwhile
                file.flush()
                self._lock(file.fileno())
                self._written = written
                for descriptor in self._locked[1:]:
                    os.close(descriptor)
                self._locked[1:] = [os.dup(file.fileno())]
        except OSError as error:
            raise ConnectorError(f"--replay: cannot write {self.path}: {error.strerror}.") from error

    def close(self) -> None:
        """Let others replay the file."""
        for descriptor in self._locked:
            os.close(descriptor)
        self._locked.clear()

    def _lines(self) -> Iterator[tuple[int, bytes]]:
        """Yield the lines of the file as it was at first."""
        with os.fdopen(os.dup(self._source), "rb") as file:
            file.seek(0)
            left = self._size
            for number, line in enumerate(file):
                yield number, line[:left]
                left -= len(line)
                if left <= 0:  # further lines are of other runs
                    return


def send_again(replay: Replay, streams: Streams, services: Services, tick: Callable[[], None]) -> None:
    """Hand all records of a rejects file to their streams; those that are skipped stay in it.

    Raises:
        ConnectorError: A stream cannot be loaded, or something cannot be delivered.
    """
    for stream in replay.streams():
        streams.set_up(stream)
    for origin, record in replay.records():
        if services.stopping.is_set():
            return
        streams.records_read[origin.stream] += 1
        skipped = services.summary["records_skipped"]
        streams.get(origin.stream, "RECORD").take(record, origin)
        if services.summary["records_skipped"] > skipped:
            replay.keep(origin, "skipped by the present settings")
        if origin.number % LINES_PER_STEP == 0:
            services.checkpoints.state(origin.number + 1)
            tick()
    services.checkpoints.state(replay.END)
