"""Batches: what goes into one request, by number and by exact bytes. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from target_amplitude.api.endpoints import Route
from target_amplitude.api.outcomes import Rejected
from target_amplitude.common.target.checkpoints import Hold
from target_amplitude.common.target.delivery import Delivery, Origin

_decode = msgspec.json.Decoder().decode


class Payload(Delivery, gc=False):
    """An event or identification on its way.

    Attributes:
        route: How it is sent; `sent` is what stands in the body.
        merged: Stream and origin of further records that it was made of.
        changed: Whose properties it sets, and the time of each; None where that is not remembered.
    """

    route: Route
    merged: Sequence[tuple[str, Origin]] = ()
    changed: tuple[str, Mapping[str, int]] | None = None

    def content(self) -> dict[str, Any]:
        """Return the event or identification."""
        return dict(_decode(self.json_text()))

    def json_text(self) -> bytes:
        """Return the event or identification as JSON."""
        return self.route.json_text(self.sent)


class Batch:
    """A request that fills.

    Args:
        route: How it is sent.
        hold: Holds back STATE until its payloads are delivered.
        opened: Monotonic seconds when it was begun.

    Attributes:
        payloads: What it holds, in order.
        size: Bytes of the body before compression.
    """

    __slots__ = ("_gap", "_max_bytes", "_max_items", "hold", "opened", "payloads", "route", "size")

    def __init__(self, route: Route, hold: Hold, opened: float) -> None:
        self.route = route
        self.hold = hold
        self.opened = opened
        self.payloads: list[Payload] = []
        self._gap = len(route.separator)
        self.size = route.frame_bytes - self._gap  # the first part has no separator before it
        self._max_items = route.endpoint.max_items
        self._max_bytes = route.endpoint.max_bytes

    def add(self, stream: str, part: bytes, origin: Origin) -> bool:
        """Add a part if it fits; return whether it did."""
        size = self.size + len(part) + self._gap
        if size > self._max_bytes or len(self.payloads) == self._max_items:
            return False
        self.size = size
        self.payloads.append(Payload(stream, part, origin, self.hold, self.route))
        return True


def check_size(route: Route, part: bytes) -> None:
    """Check that a part fits into a request of its own.

    Raises:
        Rejected: It does not.
    """
    if route.frame_bytes + len(part) > route.endpoint.max_bytes:
        raise Rejected(f"larger than a request may be ({route.endpoint.max_bytes:,} bytes)")


def chunks(route: Route, payloads: Iterable[Payload]) -> Iterator[list[Payload]]:
    """Divide payloads into as few requests as their order allows."""
    gap = len(route.separator)
    chunk: list[Payload] = []
    size = route.frame_bytes - gap
    for payload in payloads:
        size += len(payload.sent) + gap
        if chunk and (len(chunk) == route.endpoint.max_items or size > route.endpoint.max_bytes):
            yield chunk
            chunk, size = [], route.frame_bytes + len(payload.sent)
        chunk.append(payload)
    if chunk:
        yield chunk
