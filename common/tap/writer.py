"""Singer messages to standard output, many at a time.

The SDK's writer flushes every message. Here records wait until there are many or until another message comes, and a
signal never leaves half a line behind.
"""

from __future__ import annotations

import select
import sys
from typing import Any

import msgspec
from singer_sdk.contrib.msgspec import enc_hook
from singer_sdk.singerlib.encoding.base import GenericSingerWriter
from singer_sdk.singerlib.encoding.simple import Message, RecordMessage

from ..cli import silence_stdout
from ..errors import ConnectorError

FLUSH_BYTES = 1 << 18


class MessageWriter(GenericSingerWriter[bytes, Message]):
    """Collects whole lines and writes them together."""

    def __init__(self) -> None:
        self._encoder = msgspec.json.Encoder(enc_hook=enc_hook, decimal_format="number")
        self._waiting: list[bytes] = []
        self._size = 0
        self._writing = False
        self._exit_code: int | None = None

    def serialize_message(self, message: Message) -> bytes:
        """Return a message as a line."""
        return self._encoder.encode(message.to_dict()) + b"\n"

    def write_message(self, message: Message) -> None:
        """Write a message; all but records go out at once, with the records before them."""
        self.write_lines(self.serialize_message(message))
        if not isinstance(message, RecordMessage):
            self.flush()

    def write_records(self, messages: list[Any]) -> None:
        """Write record messages that msgspec encodes itself."""
        self.write_lines(self._encoder.encode_lines(messages))

    def write_lines(self, lines: bytes) -> None:
        """Write lines that end with a line feed."""
        self._waiting.append(lines)
        self._size += len(lines)
        if self._size >= FLUSH_BYTES:
            self.flush()

    def flush(self) -> None:
        """Write all that waits.

        Raises:
            ConnectorError: The program that reads the output has gone.
            SystemExit: A signal came meanwhile.
        """
        lines = b"".join(self._waiting)
        self._waiting, self._size = [], 0
        self._writing = True
        try:
            write_all(lines)
        except BrokenPipeError as error:
            silence_stdout()
            raise ConnectorError("The program reading this output stopped; so does this one.") from error
        finally:
            self._writing = False
        if self._exit_code is not None:
            code, self._exit_code = self._exit_code, None
            sys.exit(code)

    def exit(self, code: int) -> None:
        """End the program now, or as soon as the lines being written are whole. For signal handlers."""
        if not self._writing or self._exit_code is not None:
            sys.exit(code)
        self._exit_code = code


def write_all(data: bytes) -> None:
    """Write to standard output, past Python's buffer: that loses bytes when a signal meets a write to a full pipe."""
    file = sys.stdout.buffer
    file.flush()
    raw = getattr(file, "raw", file)
    rest = memoryview(data)
    while rest:
        written = raw.write(rest)
        if written is None:  # a pipe that does not wait by itself, as some programs hand on
            select.select([], [raw], [])
        else:
            rest = rest[written:]
