"""Singer messages to standard output, many lines at a time."""

from __future__ import annotations

import select
import sys

from singer_sdk.contrib.msgspec import MsgSpecWriter
from singer_sdk.singerlib.encoding.simple import Message, RecordMessage

FLUSH_BYTES = 256 * 1024


class BufferedWriter(MsgSpecWriter):
    """Holds records back until there are many; any other message takes them along.

    The SDK's own writer flushes after every record, which costs more than all the rest of a record's way.
    """

    def __init__(self) -> None:
        super().__init__()
        self._pending = bytearray()

    def write_lines(self, lines: bytes) -> None:
        """Write encoded lines, each with its line feed."""
        self._pending += lines
        if len(self._pending) >= FLUSH_BYTES:
            self.flush()

    def write_message(self, message: Message) -> None:
        """Write a message."""
        self.write_lines(bytes(self.serialize_message(message)))
        if not isinstance(message, RecordMessage):
            self.flush()

    def flush(self) -> None:
        """Hand everything to the next program."""
        lines, self._pending = self._pending, bytearray()
        write_all(lines)


def write_all(lines: bytes | bytearray) -> None:
    """Write to standard output past Python's buffer, which loses bytes when a signal comes while the pipe is full."""
    buffer = sys.stdout.buffer
    buffer.flush()
    file = getattr(buffer, "raw", buffer)
    rest = memoryview(lines)
    while rest:
        written = file.write(rest)
        if written is None:
            # A pipe that does not wait by itself, as some programs hand on.
            select.select([], [file], [])
        else:
            rest = rest[written:]
