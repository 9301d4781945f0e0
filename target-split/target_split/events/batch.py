"""Events gathered into batches that keep Split's limits. Pure, but for the clock that tells how long a batch waits."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from target_split.api.limits import MAX_REQUEST_BYTES, MAX_REQUEST_EVENTS
from target_split.common.target.checkpoints import Hold
from target_split.common.target.delivery import Origin

# Events that wait longer than this are sent, so that STATE follows soon behind a slow tap.
MAX_WAIT_SECONDS = 5.0


@dataclass(frozen=True)
class Batch:
    """Events on their way, of one stream: the same position in each list is the same event.

    Attributes:
        hold: Holds back STATE until all of them are delivered or rejected.
        events: Each as JSON.
        ids: Each event's id in the ledger; empty without a ledger.
        origins: Where to find each record as the tap sent it.
    """

    stream: str
    hold: Hold
    events: Sequence[bytes]
    ids: Sequence[bytes]
    origins: Sequence[Origin]

    def body(self) -> bytes:
        """Return the request body: a JSON array."""
        return body_of(self.events)

    def chosen(self, positions: Sequence[int]) -> Batch:
        """Return some of the events."""
        if len(positions) == len(self.events):
            return self
        return Batch(
            self.stream,
            self.hold,
            [self.events[i] for i in positions],
            [self.ids[i] for i in positions] if self.ids else (),
            [self.origins[i] for i in positions],
        )

    def halves(self) -> tuple[Batch, Batch]:
        """Return the first and the second half."""
        middle = len(self.events) // 2
        return self.chosen(range(middle)), self.chosen(range(middle, len(self.events)))


def body_of(events: Sequence[bytes]) -> bytes:
    """Return the request body of events: a JSON array."""
    return b"[" + b",".join(events) + b"]"


@dataclass
class BatchBuilder:
    """Gathers the events of one stream until a batch is full.

    Args:
        begin: Begins to hold back STATE; called with the first event of each batch.
        send: Takes a batch that is full or has waited long enough.
    """

    stream: str
    begin: Callable[[], Hold]
    send: Callable[[Batch], None]
    _events: list[bytes] = field(default_factory=list)
    _ids: list[bytes] = field(default_factory=list)
    _origins: list[Origin] = field(default_factory=list)
    _hold: Hold | None = None
    _room: int = 0
    _began: float = 0.0

    def add(self, event: bytes, ledger_id: bytes | None, origin: Origin) -> None:
        """Add an event; a batch that it does not fit into is sent first."""
        if len(event) >= self._room or len(self._events) >= MAX_REQUEST_EVENTS:
            self.flush()
            self._hold = self.begin()
            self._began = time.monotonic()
            self._room = MAX_REQUEST_BYTES - len(body_of([])) + 1  # the first event brings no comma
        self._room -= len(event) + 1
        self._events.append(event)
        self._origins.append(origin)
        if ledger_id is not None:
            self._ids.append(ledger_id)

    def flush(self) -> None:
        """Send what waits."""
        if self._hold is None:
            return
        batch = Batch(self.stream, self._hold, self._events, self._ids, self._origins)
        self._events, self._ids, self._origins, self._hold, self._room = [], [], [], None, 0
        self.send(batch)

    def flush_old(self) -> None:
        """Send what has waited long enough."""
        if self._hold is not None and time.monotonic() - self._began >= MAX_WAIT_SECONDS:
            self.flush()
