"""Merges identifications, so that one is sent for a user where many records change its properties.

Values that replace others (`$set`, `$unset`, and keys such as `country`) are merged: of each only the newest by time is
sent, and only when it differs from the last one sent. Other operations (`$add`, `$append`, …) are sent one by one, in
order.
"""

from __future__ import annotations

import itertools
import secrets
from collections import OrderedDict
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
# Users whose last values are in memory: about 45 MB with 5 flags each.
OWNERS_IN_MEMORY = 50_000
# What waits in one partition: the more, the more records become one. Each record taken keeps its part of the input in
# memory, so that it can be rejected as it came.
MAX_ENTRIES, MAX_TAKEN = 4_000, 10_000
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
        self._sent: OrderedDict[str, Sent] = OrderedDict()  # in order of the last change
        self._older: KeyValueStore | None = None

    def of(self, whose: str) -> dict[str, Value]:
        """Return what is known of a user or group, by property. Newer values are to be put into it."""
        sent = self._sent.get(whose)
        if sent is None:
            sent = self._recall(whose) or Sent()
            self._keep(whose, sent)
        else:
            self._sent.move_to_end(whose)
        return sent.values

    def forget(self, whose: str) -> None:
        """Note that something else may have changed a user's properties: only the times of the last values stay."""
        sent = self._recall(whose)
        if sent is not None:
            sent.values = {name: Value(known.time, "", None) for name, known in sent.values.items()}
            self._keep(whose, sent)

    def count(self, whose: str, updates: int) -> None:
        """Count updates that are about to be sent."""
        sent = self._recall(whose)
        if sent is None:
            return
        now = self._now()
        if now - sent.hour >= HOUR_SECONDS:
            sent.hour, sent.updates = now, 0
        before = sent.updates
        sent.updates += updates
        if whose not in self._sent:
            self._keep(whose, sent)
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
        sent = self._sent.get(whose)
        if sent is None and self._older is not None and (kept := self._older.get(whose)) is not None:
            return _decode(kept)
        if sent is None and self._times is not None and (times := self._times.get(whose)):
            return Sent({name: Value(time, "", None) for name, time in times.items()})
        return sent

    def _keep(self, whose: str, sent: Sent) -> None:
        self._sent[whose] = sent
        self._sent.move_to_end(whose)
        if len(self._sent) > OWNERS_IN_MEMORY:
            self._older = self._older or KeyValueStore()
            oldest, last = self._sent.popitem(last=False)
            self._older.put(oldest, _encode(last))


def newer(known: dict[str, Value], name: str, operation: str, value: Any, time: int | None) -> Value | None:
    """Note a value in what is known, unless it is older; return it if it also differs from the one before.

    Args:
        known: Property → its last value.
        name: The property.
        operation: What is to be done with the value.
        value: The value.
        time: Its epoch milliseconds; None where values come without a time: then the later one is the newer.
    """
    before = known.get(name, NEVER)
    if time is None:
        time = before.time
    elif time < before.time:
        return None
    known[name] = new = Value(time, operation, value)
    last = before.value
    return new if operation != before.operation or value != last or type(value) is not type(last) else None


class Entry(msgspec.Struct, gc=False):
    """An identification in the making.

    Attributes:
        whose: The user or group.
        identification: The first one of those that are merged, or one that is not.
        values: By property, the merged value and where it came from; empty for one that is not merged.
        origin: Where one that is not merged came from.
    """

    whose: str
    identification: Identification
    values: dict[str, tuple[Value, Any]]
    origin: Any


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
    """Identifications of one partition that wait to be sent together, in order of their first record."""

    def __init__(self, last: LastValues) -> None:
        self._last = last
        self._keeps_times = last.keeps_times
        self._entries: list[Entry] = []
        self._open: dict[str, Entry] = {}  # by owner, what can still take values
        self._owners: set[str] = set()
        self._taken = 0
        self._token = secrets.token_hex(8)
        self._numbers = itertools.count()

    def __len__(self) -> int:
        return len(self._entries)

    def concerns(self, whose: str) -> bool:
        """Whether something of a user or group waits."""
        return whose in self._owners

    @property
    def is_full(self) -> bool:
        """Whether to send what waits."""
        return len(self._entries) >= MAX_ENTRIES or self._taken >= MAX_TAKEN

    def add(self, identification: Identification, origin: Any = None) -> bool:
        """Take an identification; return whether it makes one more to send."""
        whose = owner(identification.subject)
        self._owners.add(whose)
        self._taken += 1
        if not is_mergeable(identification.operations):
            self._last.forget(whose)
            self._open.pop(whose, None)
            self._entries.append(Entry(whose, identification, {}, origin))
            return True
        fresh = self._fresh(whose, identification, origin)
        if not fresh:
            return False
        entry = self._open.get(whose)
        if entry is not None and entry.identification.subject == identification.subject and fits(entry.values, fresh):
            entry.values.update(fresh)
            return False
        self._open[whose] = entry = Entry(whose, identification, fresh, None)
        self._entries.append(entry)
        return True

    def _fresh(self, whose: str, identification: Identification, origin: Any) -> dict[str, tuple[Value, Any]]:
        """Return what of an identification is newer than, and differs from, what is known."""
        known, time = self._last.of(whose), identification.time
        fresh: dict[str, tuple[Value, Any]] = {}
        for operation, properties in identification.operations.items():
            for name, value in properties.items():
                if (new := newer(known, name, operation, value, time)) is not None:
                    fresh[name] = new, origin
        if others := identification.others:
            name = f"\0{','.join(sorted(others))}"
            if (new := newer(known, name, OTHER_KEYS, others, time)) is not None:
                fresh[name] = new, origin
        return fresh

    def close(self) -> Iterator[Merged]:
        """Yield all that was merged, and begin anew."""
        entries, self._entries, self._open, self._owners, self._taken = self._entries, [], {}, set(), 0
        for entry in entries:
            self._last.count(entry.whose, len(entry.values) or 1)
            if entry.values:
                yield self._merged(entry)
            else:
                yield Merged(entry.identification, [entry.origin])

    def _merged(self, entry: Entry) -> Merged:
        """Return the one identification that several records make."""
        operations: dict[str, dict[str, Any]] = {}
        others: dict[str, Any] | None = None
        origins: dict[int, Any] = {}
        newest = 0
        for name, (value, origin) in entry.values.items():
            if value.operation == OTHER_KEYS:
                others = value.value
            elif value.operation in operations:
                operations[value.operation][name] = value.value
            else:
                operations[value.operation] = {name: value.value}
            newest = max(newest, value.time)
            origins[id(origin)] = origin
        first = entry.identification
        # New in each run: after a crash older values are set again before the newest, and Amplitude would drop the
        # newest as a repeat of what it took before. Setting a value twice does no harm; a retry keeps its id.
        insert_id = f"{self._token}-{next(self._numbers)}"
        time = None if first.time is None else newest
        identification = Identification(first.subject, operations, time, insert_id, others)
        return Merged(identification, list(origins.values()), self._times(entry))

    def _times(self, entry: Entry) -> tuple[str, dict[str, int]] | None:
        if not self._keeps_times:
            return None
        times = {name: value.time for name, (value, _) in entry.values.items() if value.time}
        return (entry.whose, times) if times else None


def fits(values: Mapping[str, Any], fresh: Mapping[str, Any]) -> bool:
    """Whether values can become part of the same identification: it has room for one set of other keys."""
    if not any(name[:1] == "\0" for name in fresh):
        return True
    kinds = {name for name in (*values, *fresh) if name.startswith("\0")}
    return len(kinds) <= 1
