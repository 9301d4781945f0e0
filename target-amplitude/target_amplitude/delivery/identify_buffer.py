"""Merges identifications, so that one is sent for a user where many records change its properties.

Values that replace others (`$set`, `$unset`, and keys such as `country`) are merged: of each only the newest by time is
sent, and only when it differs from the last one sent. Other operations (`$add`, `$append`, …) are sent one by one, in
order.
"""

from __future__ import annotations

import itertools
import secrets
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
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

Value = tuple[int, str, Any]  # time, operation, value
# What is known of a property that was never sent.
NEVER: Value = (0, "", None)


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

    def news(self, whose: str, identification: Identification) -> dict[str, Value]:
        """Return what of an identification is newer than, and differs from, what is known."""
        sent = self._sent.get(whose)
        if sent is None:
            sent = self._recall(whose) or Sent()
            self._keep(whose, sent)
        else:
            self._sent.move_to_end(whose)
        known, time = sent.values, identification.time
        fresh: dict[str, Value] = {}
        for operation, properties in identification.operations.items():
            for name, value in properties.items():
                compare(known, fresh, name, (operation, value), time)
        if others := identification.others:
            compare(known, fresh, f"\0{','.join(sorted(others))}", (OTHER_KEYS, others), time)
        return fresh

    def forget(self, whose: str) -> None:
        """Note that something else may have changed a user's properties: only the times of the last values stay."""
        sent = self._recall(whose)
        if sent is not None:
            sent.values = {name: (time, "", None) for name, (time, _, _) in sent.values.items()}
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
            return Sent({name: (time, "", None) for name, time in times.items()})
        return sent

    def _keep(self, whose: str, sent: Sent) -> None:
        self._sent[whose] = sent
        self._sent.move_to_end(whose)
        if len(self._sent) > OWNERS_IN_MEMORY:
            self._older = self._older or KeyValueStore()
            oldest, last = self._sent.popitem(last=False)
            self._older.put(oldest, _encode(last))


def compare(
    known: dict[str, Value], fresh: dict[str, Value], name: str, change: tuple[str, Any], time: int | None
) -> None:
    """Note a change in what is known, if it is not older, and in what is fresh, if it also differs."""
    operation, value = change
    before, last_operation, last_value = known.get(name, NEVER)
    moment = before if time is None else time
    if moment >= before:
        known[name] = new = (moment, operation, value)
        if operation != last_operation or value != last_value or type(value) is not type(last_value):
            fresh[name] = new


@dataclass(slots=True)
class Entry:
    """An identification in the making.

    Attributes:
        values: Merged values by property; empty for an identification that is not merged.
        origins: By property, where its value came from.
    """

    whose: str
    identification: Identification
    values: dict[str, Value]
    origins: dict[str, Any]


@dataclass(slots=True)
class Merged:
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
            self._entries.append(Entry(whose, identification, {}, {"": origin}))
            return True
        fresh = self._last.news(whose, identification)
        if not fresh:
            return False
        entry = self._open.get(whose)
        if entry is not None and entry.identification.subject == identification.subject and fits(entry.values, fresh):
            for name, value in fresh.items():
                if name not in entry.values or value[0] >= entry.values[name][0]:
                    entry.values[name] = value
                    entry.origins[name] = origin
            return False
        self._open[whose] = entry = Entry(whose, identification, fresh, dict.fromkeys(fresh, origin))
        self._entries.append(entry)
        return True

    def close(self) -> Iterator[Merged]:
        """Yield all that was merged, and begin anew."""
        entries, self._entries, self._open, self._owners, self._taken = self._entries, [], {}, set(), 0
        for entry in entries:
            made = self._merged(entry) if entry.values else entry.identification
            self._last.count(entry.whose, len(entry.values) or 1)
            times = {name: value[0] for name, value in entry.values.items() if value[0]} if self._keeps_times else None
            origins = list({id(origin): origin for origin in entry.origins.values()}.values())
            yield Merged(made, origins, (entry.whose, times) if times else None)

    def _merged(self, entry: Entry) -> Identification:
        """Return the one identification that several records make."""
        operations: dict[str, dict[str, Any]] = {}
        others: dict[str, Any] | None = None
        for name, (_, operation, value) in entry.values.items():
            if operation == OTHER_KEYS:
                others = value
            else:
                operations.setdefault(operation, {})[name] = value
        time = None if entry.identification.time is None else max(value[0] for value in entry.values.values())
        # New in each run: after a crash older values are set again before the newest, and Amplitude would drop the
        # newest as a repeat of what it took before. Setting a value twice does no harm; a retry keeps its id.
        insert_id = f"{self._token}-{next(self._numbers)}"
        return Identification(entry.identification.subject, operations, time, insert_id, others)


def fits(values: dict[str, Value], fresh: dict[str, Value]) -> bool:
    """Whether values can become part of the same identification: it has room for one set of other keys."""
    if not any(name[:1] == "\0" for name in fresh):
        return True
    kinds = {name for name in (*values, *fresh) if name.startswith("\0")}
    return len(kinds) <= 1
