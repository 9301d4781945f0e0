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


class MessageLine(Origin, gc=False):
    """A record in a RECORD message.

    Attributes:
        block: Whole lines of the input.
        position: Which of them holds the message, from 0.
    """

    block: bytes
    position: int

    @property
    def line(self) -> bytes:
        """The message."""
        return self.block.split(b"\n")[self.position]

    def record(self) -> Any:
        """Return the record as the tap sent it."""
        return decode_line(self.line, self.position)["record"]


class BatchLine(Origin, gc=False):
    """A record in a batch file.

    Attributes:
        line: Its line in the file.
        number: The line's number, from 1.
    """

    line: bytes
    number: int

    def record(self) -> Any:
        """Return the record as the tap sent it."""
        return decode_line(self.line, self.number, self.stream)


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
