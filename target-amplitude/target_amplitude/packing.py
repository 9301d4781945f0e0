"""Packs what is sent into requests: by number and by exact bytes. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import TypeVar

from .delivery import Work
from .limits import Unusable
from .routes import Route

T = TypeVar("T")

# Stream, and the thing as it stands in a body.
Item = tuple[str, bytes]


class Load:
    """A `Work` and how many of its things are not delivered or rejected yet."""

    __slots__ = ("left", "work")

    def __init__(self, work: Work) -> None:
        self.work = work
        self.left = 0


@dataclass
class Request:
    """What goes out in one body.

    Attributes:
        route: How it is sent.
        load: What its items count against.
        opened: Monotonic seconds when it was begun.
        items: What it holds, in order.
        size: Bytes of the body before compression.
    """

    route: Route
    load: Load
    opened: float
    items: list[Item] = field(default_factory=list)
    size: int = 0

    def __post_init__(self) -> None:
        self.size = self.route.frame_bytes

    def has_room(self, part: bytes) -> bool:
        """Whether one more part fits."""
        endpoint = self.route.endpoint
        return len(self.items) < endpoint.max_items and self.size + len(part) + self._gap <= endpoint.max_bytes

    def add(self, stream: str, part: bytes) -> None:
        """Add a part that fits."""
        self.size += len(part) + self._gap
        self.items.append((stream, part))

    @property
    def _gap(self) -> int:
        return len(self.route.separator) if self.items else 0


def check_size(route: Route, part: bytes) -> None:
    """Check that a part fits into a request of its own.

    Raises:
        Unusable: It does not.
    """
    if route.frame_bytes + len(part) > route.endpoint.max_bytes:
        raise Unusable(f"larger than a request may be ({route.endpoint.max_bytes:,} bytes)")


def chunks(route: Route, things: Iterable[T], part_of: Callable[[T], bytes]) -> Iterator[list[T]]:
    """Divide things into as few requests as their order allows."""
    chunk: list[T] = []
    size = route.frame_bytes
    for thing in things:
        length = len(part_of(thing))
        gap = len(route.separator) if chunk else 0
        if chunk and (len(chunk) == route.endpoint.max_items or size + gap + length > route.endpoint.max_bytes):
            yield chunk
            chunk, size, gap = [], route.frame_bytes, 0
        chunk.append(thing)
        size += gap + length
    if chunk:
        yield chunk
