"""The ledger: which events Split accepted, and which were on their way when nobody could tell any more.

Split's events API never de-duplicates, and events can be neither changed nor deleted
(https://docs.split.io/reference/create-events). So what is posted is written down first, and what Split answered
afterwards. After a kill at any moment an event is known as accepted, known as unsent, or ambiguous: posted, but its
answer never came.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from target_split.ledger.event_id import HOUR_BYTES

SECONDS_PER_DAY = 86_400
HOURS_PER_DAY = 24


@dataclass(frozen=True)
class Leftover:
    """A request of an earlier run whose answer never came, and those of its events that have not come again yet."""

    stream: str
    ids: set[bytes]


@dataclass(frozen=True)
class Sifted:
    """What the ledger knows of some events.

    Attributes:
        fresh: Positions of those to post.
        resent: How many of the fresh ones are ambiguous: an earlier run may have posted them.
        skipped: How many are left out because an earlier run may have posted them.
    """

    fresh: Sequence[int]
    resent: int
    skipped: int


@dataclass(frozen=True)
class Size:
    """How large the store is on disk, and its write-ahead log at the end of the run; a database keeps its own."""

    bytes: int = 0
    log_bytes: int = 0


class Ledger(Protocol):
    """Remembers events. Safe to use from any thread. Every method may raise `ConnectorError`: the store is unusable."""

    @property
    def leftovers(self) -> list[Leftover]:
        """Requests of earlier runs whose answer never came."""
        ...

    def sift(self, ids: Sequence[bytes]) -> Sifted:
        """Tell which events are to be posted, and claim these for this run."""
        ...

    def posting(self, stream: str, ids: Sequence[bytes]) -> int:
        """Write down that events are about to be posted; return the number of this entry."""
        ...

    def accepted(self, number: int, ids: Sequence[bytes]) -> None:
        """Write down that Split accepted the events of an entry."""
        ...

    def refused(self, number: int, ids: Sequence[bytes]) -> None:
        """Write down that Split did not accept the events of an entry."""
        ...

    def close(self) -> Size:
        """Write down what waits, and close the store; return its size."""
        ...


def oldest_day(today: int, last_run: int | None, newest_event: int | None, days: int) -> int:
    """Return the day before which events are forgotten, in days since 1970.

    It is told by the ledger's own time, never by a clock alone: a clock that is wrong, or a pipeline that pauses for
    weeks, must make it forget nothing.

    Args:
        today: By the clock.
        last_run: Newest day on which an event was accepted; None where there is none.
        newest_event: Day of the newest event; None where it is not known.
        days: How long an event is remembered.
    """
    return min(day for day in (today, last_run, newest_event) if day is not None) - days


def day_of(identity: bytes) -> int:
    """Return the day of an event by its id, in days since 1970."""
    return int.from_bytes(identity[:HOUR_BYTES], "big") // HOURS_PER_DAY
