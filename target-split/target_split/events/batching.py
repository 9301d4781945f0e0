"""Events packed into requests that keep Split's limits. Pure, but for the clock that tells how long a batch waits."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from target_split.api.limits import MAX_REQUEST_BYTES, MAX_REQUEST_EVENTS
from target_split.common.target.checkpoints import Hold
from target_split.common.target.delivery import Delivery, Origin

# Events that wait longer than this are sent, so that STATE follows soon behind a slow tap.
MAX_WAIT_SECONDS = 5.0


class Event(Delivery, gc=False):
    """An event on its way.

    Attributes:
        id: Its id in the ledger; None without a ledger.
    """

    id: bytes | None


@dataclass(frozen=True)
class Batch:
    """Events on their way.

    Attributes:
        stream: Where they come from.
        hold: Holds back STATE until all of them are delivered or rejected; it counts the batch as one.
        events: The events.
        began: When the first event came, by the monotonic clock.
    """

    stream: str
    hold: Hold
    events: list[Event] = field(default_factory=list)
    began: float = field(default_factory=time.monotonic)

    def is_old(self) -> bool:
        """Whether its events have waited long enough."""
        return time.monotonic() - self.began >= MAX_WAIT_SECONDS


def body_of(events: Sequence[bytes]) -> bytes:
    """Return the request body: a JSON array."""
    return b"[" + b",".join(events) + b"]"


class Packer:
    """Gathers the events of one stream until a request is full."""

    def __init__(self) -> None:
        self.batch: Batch | None = None
        self._room = 0

    def add(self, event: bytes, identity: bytes | None, origin: Origin) -> bool:
        """Add an event to the open batch; return whether there is one and it has room."""
        batch = self.batch
        if batch is None or len(event) >= self._room or len(batch.events) >= MAX_REQUEST_EVENTS:
            return False
        batch.events.append(Event(batch.stream, event, origin, batch.hold, identity))
        self._room -= len(event) + 1
        return True

    def open(self, stream: str, hold: Hold) -> None:
        """Begin a batch; any event fits into it."""
        self.batch = Batch(stream, hold)
        self._room = MAX_REQUEST_BYTES - len(body_of([])) + 1  # the first event brings no comma

    def close(self) -> Batch | None:
        """End the open batch and return it; None when there is none."""
        batch, self.batch = self.batch, None
        return batch
