"""Merges identifications, so that one is sent for a user where many records change its properties.

Values that replace others (`$set`, `$unset`, and keys such as `country`) are merged: of each only the newest by time is
sent, and only when it differs from the last one sent. Other operations (`$add`, `$append`, …) are sent one by one, in
order.
"""

from __future__ import annotations

import itertools
import secrets
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import msgspec

from target_amplitude.delivery.property_times import PropertyTimes
from target_amplitude.delivery.seen import KeyValueStore
from target_amplitude.payloads.identification import Identification, is_mergeable, owner

# "1,800 user property updates an hour per Amplitude ID; more may be dropped", Identify API page. Whether an update
# with several properties counts once is not said, so each property counts.
UPDATES_PER_HOUR = 1800
HOUR_SECONDS = 3600.0
# Users whose last values are in memory, at most twice as many: about 30 MB with 20 flags each.
OWNERS_IN_MEMORY = 25_000
# Stands for the keys of an identification besides ids and properties. They replace each other as a whole, because
# Amplitude resets the other keys of a linked group (country, region, city, dma) that are not sent along.
OTHER_KEYS = "\0keys"


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

    def news(self, whose: str, changes: Mapping[str, Change]) -> dict[str, Change]:
        """Return those of some changes that are newer than, and differ from, what is known; know them from now on.

        They count as updates that are about to be sent.
        """
        sent = self._recall(whose) or Sent({})
        known = sent.values
        fresh: dict[str, Change] = {}
        for name, change in changes.items():
            last = known.get(name, NEVER)
            time = last.time if change.time is None else change.time
            if time < last.time:
                continue
            known[name] = Value(time, change.operation, change.value)
            if change.differs_from(last):
                change.time = time
                fresh[name] = change
        if fresh:
            self._count(sent, len(fresh))
        self._keep(whose, sent)
        return fresh

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


class Change(msgspec.Struct, gc=False):
    """A change of a property that waits.

    Attributes:
        time: Epoch milliseconds; None where the stream has no time, so that the later change is the newer.
        origin: Where the record came from.
    """

    time: int | None
    operation: str
    value: Any
    origin: Any

    def differs_from(self, last: Value) -> bool:
        """Whether it sets anything else than what is known."""
        return (
            self.value != last.value
            or self.operation != last.operation
            or type(self.value) is not type(last.value)  # 1 and True are equal in Python
        )


class Entry(msgspec.Struct, gc=False):
    """An identification in the making.

    Attributes:
        whose: The user or group.
        subject: Its ids.
        origin: Where its first record came from.
        changes: Property → its newest change; empty for an identification that is not merged.
        has_time: Whether the changes have times.
        whole: One that is not merged.
    """

    whose: str
    subject: dict[str, str]
    origin: Any
    changes: dict[str, Change]
    has_time: bool = False
    whole: Identification | None = None

    def takes(self, identification: Identification, others: str) -> bool:
        """Whether an identification of the same user or group can become part of this one.

        Args:
            identification: One of which only the newest values matter.
            others: Under which name its other keys would stand; empty for none. There is room for one set.
        """
        return (
            self.whole is None
            and self.has_time == (identification.time is not None)
            and self.subject == identification.subject
            and (not others or others in self.changes or not any(name[:1] == "\0" for name in self.changes))
        )

    def change(self, name: str, operation: str, value: Any, time: int | None, origin: Any) -> None:
        """Take a change of a property, unless it is older than the one that waits."""
        before = self.changes.get(name)
        if before is None or time is None or before.time is None or time >= before.time:
            self.changes[name] = Change(time, operation, value, origin)


class Merged(msgspec.Struct, gc=False):
    """An identification to be sent.

    Attributes:
        origins: Where the records came from whose values it holds.
        changed: Whose properties it sets, and the time of each; None where that is not kept.
    """

    identification: Identification
    origins: list[Any]
    changed: tuple[str, dict[str, int]] | None = None


class Merger:
    """Identifications of one partition that wait to be sent together, in order of their first record.

    Attributes:
        taken: How many it has taken.
        unchanged: Origins of those that came to nothing when it was closed last, one for each that waited apart.
    """

    def __init__(self, last: LastValues) -> None:
        self.taken = 0
        self.unchanged: list[Any] = []
        self._last = last
        self._keeps_times = last.keeps_times
        self._entries: list[Entry] = []
        self._newest: dict[str, Entry] = {}  # by owner
        self._token = secrets.token_hex(8)
        self._numbers = itertools.count()

    def concerns(self, whose: str) -> bool:
        """Whether something of a user or group waits."""
        return whose in self._newest

    def add(self, identification: Identification, origin: Any = None) -> bool:
        """Take an identification; return whether it waits apart from the others, as one more to send."""
        self.taken += 1
        whose, subject, time = owner(identification.subject), identification.subject, identification.time
        if not is_mergeable(identification.operations):
            self._append(Entry(whose, subject, origin, {}, whole=identification))
            return True
        others = f"\0{','.join(sorted(identification.others))}" if identification.others else ""
        entry = self._newest.get(whose)
        is_apart = entry is None or not entry.takes(identification, others)
        if entry is None or is_apart:
            entry = Entry(whose, subject, origin, {}, has_time=time is not None)
            self._append(entry)
        for operation, properties in identification.operations.items():
            for name, value in properties.items():
                entry.change(name, operation, value, time, origin)
        if others:
            entry.change(others, OTHER_KEYS, identification.others, time, origin)
        return is_apart

    def _append(self, entry: Entry) -> None:
        self._entries.append(entry)
        self._newest[entry.whose] = entry

    def close(self) -> Iterator[Merged]:
        """Yield all that was merged and is news, and begin anew."""
        entries, self._entries, self._newest, self.taken, self.unchanged = self._entries, [], {}, 0, []
        for entry in entries:
            if entry.whole is not None:
                self._last.forget(entry.whose, updates=1)
                yield Merged(entry.whole, [entry.origin])
            elif fresh := self._last.news(entry.whose, entry.changes):
                yield self._merged(entry, fresh)
            else:
                self.unchanged.append(entry.origin)

    def _merged(self, entry: Entry, changes: dict[str, Change]) -> Merged:
        """Return the one identification that several records make."""
        operations: dict[str, dict[str, Any]] = {}
        others: dict[str, Any] | None = None
        origins: dict[int, Any] = {}
        times: dict[str, int] = {}
        for name, change in changes.items():
            if change.operation == OTHER_KEYS:
                others = change.value
            elif change.operation in operations:
                operations[change.operation][name] = change.value
            else:
                operations[change.operation] = {name: change.value}
            origins[id(change.origin)] = change.origin
            if change.time:
                times[name] = change.time
        # New in each run: after a crash older values are set again before the newest, and Amplitude would drop the
        # newest as a repeat of what it took before. Setting a value twice does no harm; a retry keeps its id.
        insert_id = f"{self._token}-{next(self._numbers)}"
        time = max(times.values(), default=0) if entry.has_time else None
        identification = Identification(entry.subject, operations, time, insert_id, others)
        changed = (entry.whose, times) if times and self._keeps_times else None
        return Merged(identification, list(origins.values()), changed)
