"""Program that turns exported files into batch files. The tap runs one per core, since Python uses one core at a time.

It reads from standard input, for each file, a task as a line of JSON and then the compressed file in frames (four
bytes of length, big-endian, and the bytes; a length of 0 ends the file), and answers with one line of JSON. It ends
with its input. Its argument is the setting `event_types` as JSON. It imports nothing of the SDK, which takes a second
to load.
"""

from __future__ import annotations

import gc
import signal
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from itertools import islice
from typing import IO, Any

import fsspec
import msgspec

from tap_amplitude.common.compression import DAMAGE, compressor
from tap_amplitude.export.event_types import EventTypeFilter
from tap_amplitude.export.lines import decompressed, whole_lines
from tap_amplitude.export.rows import Row, RowReader

LENGTH_BYTES = 4


class Task(msgspec.Struct):
    """What to make of a file.

    Attributes:
        name: Its name, for messages.
        export_hour: The hour its rows were exported for, as their field.
        url: Where to write, without number and suffix.
        options: Options of the file system.
        compress: Whether to write gzip.
        batch_size: Most rows in a file.
        part: Which of its blocks of rows to take: the first of each `parts` is 0.
        parts: Between how many tasks the file is divided.
    """

    name: str
    export_hour: str
    url: str
    options: dict[str, Any]
    compress: bool
    batch_size: int
    part: int = 0
    parts: int = 1


class Result(msgspec.Struct):
    """What was made of a file.

    Attributes:
        urls: The batch files.
        rows: How many rows they hold together.
        nulled: Values that became null.
        skipped: Rows left out by `event_types`.
        unreadable: Lines that are not events.
        failure: Which file has none and why; nothing else holds then.
    """

    urls: list[str] = []
    rows: int = 0
    nulled: int = 0
    skipped: int = 0
    unreadable: list[bytes] = []
    failure: str = ""


class Frames:
    """The frames of one file on an input."""

    def __init__(self, source: IO[bytes]) -> None:
        self._source = source
        self._ended = False

    def read(self, _: int = -1, /) -> bytes:
        """Return the next frame, nothing at the end of the file.

        Raises:
            SystemExit: The input ended first, for the tap is gone.
        """
        if self._ended:
            return b""
        length = int.from_bytes(self._exactly(LENGTH_BYTES), "big")
        self._ended = not length
        return self._exactly(length)

    def skip(self) -> None:
        """Read what is left of the file."""
        while self.read():
            pass

    def _exactly(self, length: int) -> bytes:
        data = self._source.read(length)
        if len(data) < length:
            sys.exit(1)
        return data


class BatchFiles:
    """The batch files of one exported file; all of them are removed when it cannot be completed."""

    def __init__(self, task: Task) -> None:
        self.urls: list[str] = []
        self._task = task
        self._encoder = msgspec.json.Encoder()
        self._room = 0
        self._file: Any = None
        self._compressor: Any = None

    def write(self, rows: list[Row]) -> None:
        """Write rows, in as many files as they need."""
        while rows:
            if not self._room:
                self._next_file()
            part, rows = rows[: self._room], rows[self._room :]
            lines = self._encoder.encode_lines(part)
            self._file.write(self._compressor.compress(lines) if self._compressor else lines)
            self._room -= len(part)

    def close(self) -> None:
        """Complete the last file."""
        if self._file is not None:
            if self._compressor:
                self._file.write(self._compressor.flush())
            self._file.close()
            self._file = None

    def remove(self) -> None:
        """Remove all files."""
        if self._file is not None:
            with suppress(Exception):  # what is still to be written may be what failed
                self._file.close()
        remove_files(self.urls, self._task.options)

    def _next_file(self) -> None:
        self.close()
        url = f"{self._task.url}-{len(self.urls) + 1}.jsonl{'.gz' if self._task.compress else ''}"
        files, path = fsspec.core.url_to_fs(url, **self._task.options)
        files.makedirs(path.rpartition("/")[0], exist_ok=True)
        self._file = files.open(path, "wb")
        self.urls.append(url)
        self._compressor = compressor() if self._task.compress else None
        self._room = self._task.batch_size


def remove_files(urls: Iterable[str], options: dict[str, Any]) -> None:
    """Remove batch files that no message will name."""
    for url in urls:
        files, path = fsspec.core.url_to_fs(url, **options)
        files.rm(path)


@contextmanager
def batch_files(task: Task) -> Iterator[BatchFiles]:
    """Give the files of a task; complete them, or remove them when that fails."""
    files = BatchFiles(task)
    try:
        yield files
        files.close()
        # From here on the tap removes them, if need be: it gets the answer whatever happens.
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    except BaseException:
        files.remove()
        raise


def convert(task: Task, source: Frames, reader: RowReader) -> Result:
    """Turn an exported file, or its part of it, into batch files."""
    result = Result()
    try:
        with batch_files(task) as files:
            for block in islice(whole_lines(decompressed(source)), task.part, None, task.parts):
                rows = reader.read(block, task.export_hour)
                files.write(rows.good)
                result.rows += len(rows.good)
                result.nulled += rows.nulled
                result.skipped += rows.skipped
                result.unreadable += rows.unreadable
    except DAMAGE as error:
        return Result(failure=f"{task.name!r}: it is damaged ({error})")
    except Exception as error:  # noqa: BLE001 - each kind of storage has failures of its own
        return Result(failure=f"{task.name!r}: they cannot be written ({type(error).__name__}: {error})")
    result.urls = files.urls
    return result


def main() -> None:
    """Work until the input ends."""
    gc.disable()  # nothing here refers to itself, and looking for what does takes a tenth of the time
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # at Ctrl-C the tap ends, and so does the input
    decoder, source = msgspec.json.Decoder(Task), sys.stdin.buffer
    event_types = msgspec.json.decode(sys.argv[1])
    reader = RowReader(EventTypeFilter(event_types) if event_types else None)
    while line := source.readline():
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
        frames = Frames(source)
        result = convert(decoder.decode(line), frames, reader)
        frames.skip()
        sys.stdout.buffer.write(msgspec.json.encode(result) + b"\n")
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
