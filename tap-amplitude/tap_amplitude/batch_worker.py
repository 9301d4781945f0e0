"""Program that turns exported files into batch files. The tap runs several, for Python runs one at a time on a core.

It reads from standard input, for each file, a task as a line of JSON and then the packed file in frames (four bytes of
length, big-endian, and the bytes; a length of 0 ends the file), and answers with one line of JSON. It ends with its
input. It imports nothing of the SDK, which takes a second to load.
"""

from __future__ import annotations

import gzip
import signal
import sys
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any

import fsspec
import msgspec

from tap_amplitude.archive import gunzip, whole_lines
from tap_amplitude.records import Row, read_block

LENGTH_BYTES = 4
# Packing harder makes it six times slower, to save a fifth of the size of a file that is read once.
GZIP_LEVEL = 1


class Task(msgspec.Struct):
    """What to make of a file.

    Attributes:
        export_hour: The hour its rows were exported for, as their field.
        url: Where to write, without number and suffix.
        options: Options of the file system.
        packed: Whether to write gzip.
        batch_size: Most rows in a file.
    """

    export_hour: str
    url: str
    options: dict[str, Any]
    packed: bool
    batch_size: int


class Result(msgspec.Struct):
    """What was made of a file.

    Attributes:
        urls: The batch files.
        rows: How many rows they hold together.
        nulled: Values that became null.
        unreadable: Lines that are no events.
        failure: Why there are none; nothing else holds then.
    """

    urls: list[str] = []
    rows: int = 0
    nulled: int = 0
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
        self._sink: Any = None

    def write(self, rows: list[Row]) -> None:
        """Write rows, in as many files as they need."""
        while rows:
            if not self._room:
                self._next_file()
            part, rows = rows[: self._room], rows[self._room :]
            self._sink.write(self._encoder.encode_lines(part))
            self._room -= len(part)

    def close(self) -> None:
        """Complete the last file."""
        if self._file is not None:
            if self._sink is not self._file:
                self._sink.close()
            self._file.close()
            self._file = None

    def remove(self) -> None:
        """Remove all files."""
        self.close()
        for url in self.urls:
            files, path = self._place(url)
            files.rm(path)

    def _place(self, url: str) -> tuple[Any, str]:
        files, path = fsspec.core.url_to_fs(url, **self._task.options)
        return files, path

    def _next_file(self) -> None:
        self.close()
        url = f"{self._task.url}-{len(self.urls) + 1}.jsonl{'.gz' if self._task.packed else ''}"
        files, path = self._place(url)
        files.makedirs(path.rpartition("/")[0], exist_ok=True)
        self._file = files.open(path, "wb")
        self.urls.append(url)
        self._sink = (
            gzip.GzipFile(fileobj=self._file, mode="wb", compresslevel=GZIP_LEVEL, mtime=0)
            if self._task.packed
            else self._file
        )
        self._room = self._task.batch_size


@contextmanager
def batch_files(task: Task) -> Iterator[BatchFiles]:
    """Give the files of a task; complete them, or remove them when that fails."""
    files = BatchFiles(task)
    try:
        yield files
        files.close()
    except BaseException:
        files.remove()
        raise


def convert(task: Task, packed: Frames) -> Result:
    """Turn an exported file into batch files."""
    result = Result()
    try:
        with batch_files(task) as files:
            for block in whole_lines(gunzip(packed)):
                rows = read_block(block, task.export_hour)
                files.write(rows.good)
                result.rows += len(rows.good)
                result.nulled += rows.nulled
                result.unreadable += rows.unreadable
    except (zlib.error, EOFError) as error:
        return Result(failure=f"it is damaged ({error})")
    except Exception as error:  # noqa: BLE001 - each kind of storage has failures of its own
        return Result(failure=f"they cannot be written ({type(error).__name__}: {error})")
    result.urls = files.urls
    return result


def main() -> None:
    """Work until the input ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # at Ctrl-C the tap ends, and so does the input
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    decoder, source = msgspec.json.Decoder(Task), sys.stdin.buffer
    while line := source.readline():
        packed = Frames(source)
        result = convert(decoder.decode(line), packed)
        packed.skip()
        sys.stdout.buffer.write(msgspec.json.encode(result) + b"\n")
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
