"""A record on its way to the service, and where to find it as the tap sent it.

Rejects hold the record as the tap sent it. To keep every record in memory until it is delivered would cost several
times the memory of what is sent, so that an `Origin` only says where to read it again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

import msgspec

from .checkpoints import Hold
from .decoding import decode_line


class Origin(msgspec.Struct, gc=False):
    """Where a record came from.

    Attributes:
        stream: The stream as the tap names it, before stream maps.
    """

    stream: str

    def record(self) -> Any:
        """Return the record as the tap sent it."""
        raise NotImplementedError


class Line(Origin, gc=False):
    """A record in a line.

    Attributes:
        block: Whole lines of the input, or of a batch file.
        position: Which of them holds the record, from 0.
    """

    block: bytes
    position: int

    @property
    def line(self) -> bytes:
        """The line."""
        return self.block.split(b"\n")[self.position]

    def messages(self) -> bytes:
        """Return the block with each line as a RECORD message."""
        raise NotImplementedError


class MessageLine(Line, gc=False):
    """A record in a RECORD message."""

    def record(self) -> Any:
        """Return the record as the tap sent it."""
        return decode_line(self.line, self.position)["record"]

    def messages(self) -> bytes:
        """Return the block."""
        return self.block


class BatchLine(Line, gc=False):
    """A record in a batch file."""

    def record(self) -> Any:
        """Return the record as the tap sent it."""
        return decode_line(self.line, self.position, self.stream)

    def messages(self) -> bytes:
        """Return the block with each line as a RECORD message; blank lines stay."""
        before = b'{"type":"RECORD","stream":%s,"record":' % msgspec.json.encode(self.stream)
        lines = self.block.split(b"\n")
        return b"\n".join(b"%s%s}" % (before, line) if line.strip() else line for line in lines)


class Delivery(msgspec.Struct, gc=False):
    """A record on its way, from when it is taken until it is delivered or rejected.

    Attributes:
        stream: Its stream.
        sent: What was made of it, as JSON.
        origin: Where to find it as the tap sent it.
        hold: Holds back STATE until then.
    """

    stream: str
    sent: bytes
    origin: Origin
    hold: Hold


def finish(deliveries: Iterable[Delivery]) -> None:
    """Note that records are delivered or rejected."""
    for hold, count in Counter(delivery.hold for delivery in deliveries).items():
        hold.done(count)
