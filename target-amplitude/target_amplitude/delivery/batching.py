"""Packs what is sent into requests: by number and by exact bytes. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from target_amplitude.api.endpoints import Route
from target_amplitude.api.outcomes import Rejected
from target_amplitude.common.target.checkpoints import Hold
from target_amplitude.common.target.delivery import Delivery, Origin


class Item(Delivery, gc=False):
    """An event or identification on its way.

    Attributes:
        route: How it is sent.
        merged: Streams and origins of further records that it was made of.
    """

    route: Route
    merged: tuple[tuple[str, Origin], ...] = ()


class Request:
    """A request that fills.

    Args:
        route: How its items are sent.
        hold: What its items count against.
        opened: Monotonic seconds when it was begun.

    Attributes:
        items: What it holds, in order.
        size: Bytes of the body before compression.
    """

    __slots__ = ("_gap", "_most_bytes", "_most_items", "hold", "items", "opened", "route", "size")

    def __init__(self, route: Route, hold: Hold, opened: float) -> None:
        self.route = route
        self.hold = hold
        self.opened = opened
        self.items: list[Item] = []
        self._gap = len(route.separator)
        self.size = route.frame_bytes - self._gap  # the first part has no separator before it
        self._most_items = route.endpoint.max_items
        self._most_bytes = route.endpoint.max_bytes

    def add(self, stream: str, part: bytes, origin: Origin) -> bool:
        """Add a part if it fits; return whether it did."""
        size = self.size + len(part) + self._gap
        if size > self._most_bytes or len(self.items) == self._most_items:
            return False
        self.size = size
        self.items.append(Item(stream, part, origin, self.hold, self.route))
        return True


def check_size(route: Route, part: bytes) -> None:
    """Check that a part fits into a request of its own.

    Raises:
        Rejected: It does not.
    """
    if route.frame_bytes + len(part) > route.endpoint.max_bytes:
        raise Rejected(f"larger than a request may be ({route.endpoint.max_bytes:,} bytes)")


def chunks(route: Route, items: Iterable[Item]) -> Iterator[list[Item]]:
    """Divide items into as few requests as their order allows."""
    gap = len(route.separator)
    chunk: list[Item] = []
    size = route.frame_bytes - gap
    for item in items:
        size += len(item.sent) + gap
        if chunk and (len(chunk) == route.endpoint.max_items or size > route.endpoint.max_bytes):
            yield chunk
            chunk, size = [], route.frame_bytes + len(item.sent)
        chunk.append(item)
    if chunk:
        yield chunk
