"""Events packed into requests that keep Split's limits. Pure, but for the clock that tells how long a batch waits."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from target_split.api.limits import MAX_REQUEST_BYTES, MAX_REQUEST_EVENTS

# Events that wait longer than this are sent, so that STATE follows soon behind a slow tap.
MAX_WAIT_SECONDS = 5.0


@dataclass(frozen=True)
class Batch:
    """Events on their way.

    Attributes:
        stream: Where they come from.
        done: Called once all of them are delivered or rejected.
        events: Each serialised.
        ids: Each event's id in the ledger; empty when there is no ledger.
        began: When the first event came, by the monotonic clock.
    """

    stream: str
    done: Callable[[], None]
    events: list[bytes] = field(default_factory=list)
    ids: list[bytes] = field(default_factory=list)
    began: float = field(default_factory=time.monotonic)

    def is_old(self) -> bool:
        """Whether its events have waited long enough."""
        return time.monotonic() - self.began >= MAX_WAIT_SECONDS


class Joint:
    """Work that several batches have a part in. Thread-safe.

    Args:
        finish: Called once every part is done.
    """

    def __init__(self, finish: Callable[[], None]) -> None:
        self._finish = finish
        self._open = 1
        self._lock = threading.Lock()

    def part(self) -> Callable[[], None]:
        """Add a part; return what is to be called when it is done."""
        with self._lock:
            self._open += 1
        return self.done

    def done(self) -> None:
        """Note that a part is done; the first part is that no more are added."""
        with self._lock:
            self._open -= 1
            is_over = self._open == 0
        if is_over:
            self._finish()


def body_of(events: Sequence[bytes]) -> bytes:
    """Return the request body: a JSON array."""
    return b"[" + b",".join(events) + b"]"


class Packer:
    """Gathers the events of one stream until a request is full."""

    def __init__(self) -> None:
        self.batch: Batch | None = None
        self._room = 0

    def add(self, event: bytes, identity: bytes | None) -> bool:
        """Add an event to the open batch; return whether there is one and it has room."""
        batch = self.batch
        if batch is None or len(event) >= self._room or len(batch.events) >= MAX_REQUEST_EVENTS:
            return False
        batch.events.append(event)
        if identity is not None:
            batch.ids.append(identity)
        self._room -= len(event) + 1
        return True

    def open(self, stream: str, done: Callable[[], None]) -> None:
        """Begin a batch; any event fits into it."""
        self.batch = Batch(stream, done)
        self._room = MAX_REQUEST_BYTES - len(body_of([])) + 1  # the first event brings no comma

    def close(self) -> Batch | None:
        """End the open batch and return it; None when there is none."""
        batch, self.batch = self.batch, None
        return batch
