"""Singer messages to standard output, many at a time.

The SDK's writer flushes every message, which costs more than all the rest of a record's way. Here records wait until
there are many or until another message comes, and a signal leaves whole lines behind: a write that it meets is
completed first, unless the reader takes nothing any more.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import msgspec
from singer_sdk.contrib.msgspec import enc_hook
from singer_sdk.singerlib.encoding.base import GenericSingerWriter
from singer_sdk.singerlib.encoding.simple import Message, RecordMessage

from ..errors import ConnectorError
from ..stdout import BlockedError, silence_stdout, write_stdout

FLUSH_BYTES = 1 << 18


class MessageWriter(GenericSingerWriter[bytes, Message]):
    """Collects whole lines and writes them together."""

    def __init__(self) -> None:
        self._encoder = msgspec.json.Encoder(enc_hook=enc_hook, decimal_format="number")
        self._waiting: list[bytes | memoryview] = []
        self._size = 0
        self._is_writing = False
        self._exit_code: int | None = None
        self._is_leaving = False

    def serialize_message(self, message: Message) -> bytes:
        """Return a message as a line.

        Raises:
            ConnectorError: It holds half a character, as only a state or a catalog can.
        """
        try:
            return self._encoder.encode(message.to_dict()) + b"\n"
        except UnicodeEncodeError:
            raise ConnectorError(
                "The state or the catalog holds a text that is not valid Unicode (a surrogate alone). Fix it, or run "
                "without it."
            ) from None

    def write_message(self, message: Message) -> None:
        """Write a message; all but records go out at once, with the records before them."""
        self.write_lines(self.serialize_message(message))
        if not isinstance(message, RecordMessage):
            self.flush()

    def write_records(self, stream: str, records: Sequence[Any], extracted: str) -> None:
        """Write a RECORD message for each record.

        Args:
            stream: Name of the stream.
            records: What msgspec encodes to a JSON object, without `Raw` members.
            extracted: When they were extracted, as RFC 3339.
        """
        if records:
            before = b'{"type":"RECORD","stream":%b,"record":' % self._encoder.encode(stream)
            after = b',"time_extracted":%b}\n' % self._encoder.encode(extracted)
            # An encoded record holds no line feed. This is faster than an object for each message.
            lines = self._encoder.encode_lines(records).replace(b"\n", after + before)
            self.write_lines(before, memoryview(lines)[: -len(before)])

    def write_lines(self, *pieces: bytes | memoryview) -> None:
        """Write pieces that together are lines, each with its line feed."""
        self._waiting += pieces
        self._size += sum(map(len, pieces))
        if self._size >= FLUSH_BYTES:
            self.flush()

    def flush(self) -> None:
        """Write all that waits.

        Raises:
            ConnectorError: The program that reads the output has gone.
            SystemExit: A signal came meanwhile, and `exit` was called; or nothing reads the output after a signal.
        """
        lines = b"".join(self._waiting)
        self._waiting, self._size = [], 0
        self._is_writing = True
        try:
            write_stdout(lines, lambda: self._exit_code is not None)
        except BlockedError:
            sys.exit(self._exit_code)
        except BrokenPipeError as error:
            silence_stdout()
            raise ConnectorError("The program reading this output stopped; so does this one.") from error
        finally:
            self._is_writing = False
        if self._is_leaving:
            self._is_leaving = False
            sys.exit(self._exit_code)

    def stop(self, code: int) -> None:
        """From now on, end the program with this exit code when the output is blocked. For signal handlers."""
        self._exit_code = code

    def exit(self, code: int) -> None:
        """End the program now, or as soon as the lines being written are whole. For signal handlers."""
        self.stop(code)
        if not self._is_writing:
            sys.exit(code)
        self._is_leaving = True
