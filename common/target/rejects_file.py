"""The file of rejects on disk, and beside it the schemas of its streams, with which it can be replayed.

Several runs may append to one file while another replays it. Whoever writes holds a lock on the file; whoever finds
that the file was replaced while waiting for the lock opens the new one.
"""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import msgspec

from ..errors import ConnectorError
from ..private_files import PRIVATE_MODE, check_private_file
from .delivery import Origin
from .services import Stream

SETTING = "rejects_path"
APPEND = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC


class StreamSchema(msgspec.Struct):
    """A stream's SCHEMA, as the tap sent it."""

    schema: dict[str, Any]
    key_properties: list[str]


class Schemas(msgspec.Struct):
    """The streams of a rejects file.

    Attributes:
        target: Name of the target that wrote it.
        streams: By name.
    """

    target: str
    streams: dict[str, StreamSchema] = {}


class RejectsFile:
    """Appends the lines of a target's rejects to a file that is made when it is needed."""

    def __init__(self, path: str, target: str) -> None:
        self.path = Path(path).expanduser().absolute()
        self._target = target
        self._unwritten: dict[str, Stream] = {}  # streams of which the file of schemas does not know yet

    def check(self) -> None:
        """Check that the file can be written.

        Raises:
            ConnectorError: It cannot; the message names the setting.
        """
        check_private_file(self.path, SETTING)
        if not os.access(self.path.parent, os.W_OK):
            raise ConnectorError(f"Setting '{SETTING}': the folder {self.path.parent} cannot be written to.")

    def add_stream(self, stream: Stream) -> None:
        """Remember a stream's schema, to be kept beside its first reject."""
        self._unwritten[stream.name] = stream

    def write(self, line: bytes, origin: Any) -> None:
        """Append a line. Not to be called from two threads at once.

        Raises:
            ConnectorError: The file cannot be written.
        """
        try:
            with locked(self.path) as descriptor:
                stream = self._unwritten.pop(origin.stream, None) if isinstance(origin, Origin) else None
                if stream is not None:
                    write_schema(self.path, self._target, stream)
                size = os.fstat(descriptor).st_size
                if size and os.pread(descriptor, 1, size - 1) != b"\n":
                    line = b"\n" + line  # behind a line that a full disk cut short
                with os.fdopen(os.dup(descriptor), "ab") as file:
                    file.write(line)
        except OSError as error:
            raise ConnectorError(f"Setting '{SETTING}': cannot write {self.path}: {error.strerror}.") from error


@contextmanager
def locked(path: Path) -> Iterator[int]:
    """Open a file for appending and hold its lock; make it when it is missing.

    Raises:
        ConnectorError: It is not a private file of our own.
        OSError: It cannot be opened.
    """
    while True:
        check_private_file(path, SETTING)
        descriptor = os.open(path, APPEND, PRIVATE_MODE)
        try:
            fcntl.lockf(descriptor, fcntl.LOCK_EX)
            if is_at(descriptor, path):
                yield descriptor
                return
        finally:
            os.close(descriptor)


def is_at(descriptor: int, path: Path) -> bool:
    """Whether a path still leads to an open file."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.lstat())
    except FileNotFoundError:
        return False


def schemas_path(path: Path) -> Path:
    """Return the file of schemas beside a file of rejects."""
    return path.with_name(f"{path.name}.schemas.json")


def read_schemas(path: Path) -> Schemas | None:
    """Return the schemas beside a file of rejects; None when there are none.

    Raises:
        ConnectorError: They cannot be read.
    """
    beside = schemas_path(path)
    if not check_private_file(beside, SETTING):
        return None
    try:
        return msgspec.json.decode(beside.read_bytes(), type=Schemas)
    except (OSError, ValueError, RecursionError) as error:
        raise ConnectorError(f"{beside} is damaged. Remove it; the next rejects write it anew.") from error


def write_schema(path: Path, target: str, stream: Stream) -> None:
    """Keep a stream's schema beside a file of rejects whose lock is held.

    Raises:
        ConnectorError: The schemas there cannot be read.
        OSError: They cannot be written.
    """
    schemas = read_schemas(path) or Schemas(target)
    entry = StreamSchema(stream.schema, stream.key_properties)
    if schemas.streams.get(stream.name) != entry:
        schemas.streams[stream.name] = entry
        with replacing(schemas_path(path)) as file:
            file.write(msgspec.json.encode(schemas))


@contextmanager
def replacing(path: Path) -> Iterator[IO[bytes]]:
    """Open a new private file that takes a path's place once it is written, at once and as a whole.

    Raises:
        OSError: It cannot be written.
    """
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
            file.flush()
            os.fsync(descriptor)
            Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
