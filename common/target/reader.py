"""Reads Singer messages: as bytes from a pipe, without ever blocking for long, and records from batch files.

The same file stands in both targets (they share no library); a test holds the copies equal.
"""

from __future__ import annotations

import gzip
import json
import os
import select
import sys
import threading
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import IO, Any, BinaryIO, cast

import msgspec
from singer_sdk.helpers._batch import StorageTarget
from singer_sdk.singerlib.encoding.base import GenericSingerReader

from ..errors import ConnectorError

# How long the input may be silent before `tick` runs, in seconds.
IDLE_SECONDS = 0.5
READ_BYTES = 1 << 20

decode = msgspec.json.Decoder().decode
# What decoding raises for what is no JSON, or too deep.
UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


class LineReader(GenericSingerReader[bytes]):
    """Reads Singer messages as bytes, so that nothing is decoded twice, and never blocks for long.

    Attributes:
        tick: Called after each piece of input, and when there is none for `IDLE_SECONDS`.
        stopping: Set to stop reading; an incomplete last line is then left out.
    """

    tick: Callable[[], None]
    stopping: threading.Event

    @property
    def default_input(self) -> IO[bytes]:
        """Standard input, as bytes."""
        return sys.stdin.buffer

    def process_lines(
        self, file_input: IO[Any] | None, callbacks: Mapping[str, Callable[[dict[str, Any]], None]]
    ) -> Counter[str]:
        """Hand each message to its callback; return how many of each type came."""
        counts: Counter[str] = Counter()
        for number, line in enumerate(self._lines(file_input or self.default_input), start=1):
            try:
                message = decode(line)
                kind = message["type"]
                callback = callbacks[kind]
            except (*UNREADABLE, KeyError, TypeError):  # rare, so that looking closer may take long
                if not line.strip():
                    continue
                message = decode_line(line, number)
                kind = str(message.get("type"))
                if kind not in callbacks:
                    raise ConnectorError(
                        f"Line {number} of the input is not a Singer message: its 'type' is unknown."
                    ) from None
                callback = callbacks[kind]
            callback(message)
            counts[kind] += 1
        return counts

    def deserialize_json(self, line: bytes) -> dict[str, Any]:
        """Decode one message."""
        return decode_line(line, 0)

    def _lines(self, source: IO[Any]) -> Iterator[bytes]:
        try:
            descriptor = source.fileno()
        except (OSError, AttributeError):  # a text in memory
            yield from (line.encode() if isinstance(line, str) else line for line in source)
            return
        pieces: list[bytes] = []  # of a line that is not complete yet
        while not self.stopping.is_set():
            if select.select([descriptor], [], [], IDLE_SECONDS)[0]:
                chunk = os.read(descriptor, READ_BYTES)
                if not chunk:
                    break
                first, newline, others = chunk.partition(b"\n")
                pieces.append(first)
                if newline:
                    yield b"".join(pieces)
                    *whole, last = others.split(b"\n")
                    yield from whole
                    pieces = [last]
            self.tick()
        else:
            return
        yield b"".join(pieces)


def decode_line(line: bytes, number: int) -> dict[str, Any]:
    """Decode one line of input.

    Raises:
        ConnectorError: It is no JSON object. The message holds the line's number, not its content.
    """
    try:
        message = decode(line)
    except RecursionError:
        raise ConnectorError(f"Line {number} of the input is nested too deeply to be read.") from None
    except (msgspec.DecodeError, UnicodeDecodeError):
        # NaN, Infinity and lone surrogates are beyond JSON, yet Python's writer, and so many a tap, produces them.
        try:
            message = json.loads(line)
        except (ValueError, RecursionError):
            raise ConnectorError(
                f"Line {number} of the input is not valid JSON. Is the tap's output complete?"
            ) from None
    if not isinstance(message, dict):
        raise ConnectorError(f"Line {number} of the input is not a Singer message.")
    return message


def batch_lines(stream: str, url: str, *, compressed: bool) -> Iterator[bytes]:
    """Yield the lines of one JSON-lines batch file.

    Raises:
        ConnectorError: The file cannot be read.
    """
    folder, name = StorageTarget.split_url(url)
    try:
        with StorageTarget.from_url(folder).open(name, mode="rb") as file:
            yield from cast(BinaryIO, gzip.GzipFile(fileobj=file) if compressed else file)
    except (OSError, EOFError, zlib.error) as error:
        raise ConnectorError(f"Stream '{stream}': a batch file cannot be read ({type(error).__name__}).") from error
