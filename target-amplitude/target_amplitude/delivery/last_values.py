"""What was last sent of each user and group: those that changed last in memory, the others on disk."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from target_amplitude.delivery.property_times import PropertyTimes
from target_amplitude.delivery.seen import KeyValueStore

# "1,800 user property updates an hour per Amplitude ID; more may be dropped", Identify API page. Whether an update
# with several properties counts once is not said, so each property counts.
UPDATES_PER_HOUR = 1800
HOUR_SECONDS = 3600.0
# Users whose last values are in memory, at most twice as many: about 25 MB with 20 flags each.
OWNERS_IN_MEMORY = 21_000


class Change(msgspec.Struct, gc=False):
    """A change of a property that waits to be sent.

    Attributes:
        time: Epoch milliseconds; None where the stream has no time, so that the later change is the newer.
        stream: The stream of its record.
        origin: Where the record came from.
    """

    time: int | None
    operation: str
    value: Any
    stream: str
    origin: Any


class Value(msgspec.Struct, array_like=True, gc=False):
    """A value of a property, by an operation (`$set` or `$unset`) and its time in epoch milliseconds."""

    time: int
    operation: str
    value: Any


# What is known of a property that was never sent.
NEVER = Value(0, "", None)


class Sent(msgspec.Struct, array_like=True, gc=False):
    """What was last sent of one user or group: property → value, and how many updates this hour."""

    values: dict[str, Value] = {}
    hour: float = 0.0
    updates: int = 0


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Sent).decode


class LastValues:
    """Remembers the last values of all users and groups: those that changed last in memory, the others on disk.

    Args:
        now: Monotonic seconds.
        over_limit: Called when a user's updates exceed what Amplitude accepts in an hour.
        times: The times of the values of earlier runs, where they are kept.
    """

    def __init__(
        self, now: Callable[[], float], over_limit: Callable[[], None], times: PropertyTimes | None = None
    ) -> None:
        self._now = now
        self._over_limit = over_limit
        self._times = times
        # Who comes moves into the first; when that is full, it becomes the second, and the second goes to disk.
        self._recent: dict[str, bytes] = {}
        self._before: dict[str, bytes] = {}
        self._older: KeyValueStore | None = None

    def learn(self, whose: str, changes: dict[str, Change]) -> None:
        """Remove from some changes what is older than, or equal to, what is known; know the rest from now on.

        The rest counts as updates that are about to be sent.
        """
        sent = self._recall(whose) or Sent({})
        known = sent.values
        for name, change in list(changes.items()):
            last = known.get(name, NEVER)
            if change.time is None:
                change.time = last.time
            elif change.time < last.time:
                del changes[name]
                continue
            known[name] = Value(change.time, change.operation, change.value)
            if is_same(change, last):
                del changes[name]
        if changes:
            self._count(sent, len(changes))
        self._keep(whose, sent)

    def forget(self, whose: str, updates: int = 0) -> None:
        """Note that something else may have changed a user's properties: only the times of the last values stay.

        Args:
            whose: The user or group.
            updates: Updates that are about to be sent.
        """
        sent = self._recall(whose)
        if sent is not None:
            sent.values = {name: Value(known.time, "", None) for name, known in sent.values.items()}
            self._count(sent, updates)
            self._keep(whose, sent)

    def _count(self, sent: Sent, updates: int) -> None:
        now = self._now()
        if now - sent.hour >= HOUR_SECONDS:
            sent.hour, sent.updates = now, 0
        before = sent.updates
        sent.updates += updates
        if before <= UPDATES_PER_HOUR < sent.updates:
            self._over_limit()

    @property
    def keeps_times(self) -> bool:
        """Whether the times of values are kept for later runs."""
        return self._times is not None

    def close(self) -> None:
        """Forget everything that is not kept for later runs."""
        if self._older is not None:
            self._older.close()

    def _recall(self, whose: str) -> Sent | None:
        """Return what was sent of a user or group; None when nothing is known."""
        kept = self._recent.get(whose) or self._before.pop(whose, None)
        if kept is None and self._older is not None:
            kept = self._older.get(whose)
        if kept is not None:
            return _decode(kept)
        if self._times is not None and (times := self._times.get(whose)):
            return Sent({name: Value(time, "", None) for name, time in times.items()})
        return None

    def _keep(self, whose: str, sent: Sent) -> None:
        if len(self._recent) >= OWNERS_IN_MEMORY:
            if self._before:
                self._older = self._older or KeyValueStore()
                self._older.put_all(self._before.items())
            self._before, self._recent = self._recent, {}
        self._recent[whose] = _encode(sent)


def is_same(change: Change, last: Value) -> bool:
    """Whether a change sets what is known."""
    return bool(
        change.value == last.value
        and change.operation == last.operation
        and type(change.value) is type(last.value)  # 1 and True are equal in Python
    )
