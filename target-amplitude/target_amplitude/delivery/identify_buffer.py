"""Merges identifications, so that one goes out for a user where many records change its properties.

Values that replace others (`$set`, `$unset`) are merged: of each property only the newest by time goes out, and only
when it differs from the last one sent. Other operations (`$add`, `$append`, …) are sent one by one, in order.
"""

from __future__ import annotations

import itertools
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import msgspec

from target_amplitude.delivery.seen import Shelf
from target_amplitude.payloads.identification import Identification, owner, replaces

# "1,800 user property updates an hour per Amplitude ID; more may be dropped", Identify API page. Whether an update
# with several properties counts once is not said, so each property counts.
UPDATES_PER_HOUR = 1800
HOUR_SECONDS = 3600.0
# Users of whom the last values are in memory: about 25 MB with 20 flags each.
OWNERS_IN_MEMORY = 8_000

Value = tuple[int, str, Any]  # time, operation, value


class Sent(msgspec.Struct, array_like=True):
    """What was last sent of one user or group: property → value, and how many updates this hour."""

    values: dict[str, Value] = {}
    hour: float = 0.0
    updates: int = 0


encode = msgspec.msgpack.Encoder().encode
decode = msgspec.msgpack.Decoder(Sent).decode


class LastValues:
    """Remembers the last values of all users and groups: those that changed last in memory, the others on disk.

    Args:
        now: Monotonic seconds.
        over_limit: Called when a user's updates pass what Amplitude takes in an hour.
    """

    def __init__(self, now: Callable[[], float], over_limit: Callable[[], None]) -> None:
        self._now = now
        self._over_limit = over_limit
        self._sent: dict[str, Sent] = {}  # in order of the last change
        self._older: Shelf | None = None

    def news(self, whose: str, identification: Identification) -> dict[str, Value]:
        """Return what of an identification is newer than, and differs from, what is known."""
        sent = self._recall(whose) or Sent()
        self._keep(whose, sent)
        known = sent.values
        fresh: dict[str, Value] = {}
        for operation, properties in identification.operations.items():
            for name, value in properties.items():
                before, last_operation, last_value = known.get(name, NEVER)
                time = before if identification.time is None else identification.time
                if time >= before:
                    known[name] = new = (time, operation, value)
                    if operation != last_operation or value != last_value or type(value) is not type(last_value):
                        fresh[name] = new
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

    def close(self) -> None:
        """Forget everything."""
        if self._older is not None:
            self._older.close()

    def _recall(self, whose: str) -> Sent | None:
        sent = self._sent.get(whose)
        if sent is None and self._older is not None and (kept := self._older.get(whose)) is not None:
            return decode(kept)
        return sent

    def _keep(self, whose: str, sent: Sent) -> None:
        self._sent.pop(whose, None)
        self._sent[whose] = sent
        if len(self._sent) > OWNERS_IN_MEMORY:
            oldest = next(iter(self._sent))
            self._older = self._older or Shelf()
            self._older.put(oldest, encode(self._sent.pop(oldest)))


# What is known of a property that was never sent.
NEVER: Value = (0, "", None)


@dataclass(slots=True)
class Entry:
    """An identification in the making.

    Attributes:
        values: Merged values of each property; empty for an identification that stands alone.
    """

    stream: str
    whose: str
    identification: Identification
    values: dict[str, Value]


class Merger:
    """Identifications of one lane that wait to be sent together, in order of their first record."""

    def __init__(self, last: LastValues) -> None:
        self._last = last
        self._entries: list[Entry] = []
        self._open: dict[str, Entry] = {}  # by owner, what can still take values
        self._owners: set[str] = set()
        self._token = secrets.token_hex(8)
        self._numbers = itertools.count()

    def __len__(self) -> int:
        return len(self._entries)

    def concerns(self, whose: str) -> bool:
        """Whether something of a user or group waits."""
        return whose in self._owners

    def add(self, stream: str, identification: Identification) -> bool:
        """Take an identification; return whether it makes one more to send."""
        whose = owner(identification.subject)
        self._owners.add(whose)
        if not replaces(identification.operations, identification.others):
            self._last.forget(whose)
            self._open.pop(whose, None)
            self._entries.append(Entry(stream, whose, identification, {}))
            return True
        fresh = self._last.news(whose, identification)
        entry = self._open.get(whose)
        if entry is not None and entry.identification.subject == identification.subject:
            merge(entry.values, fresh)
            return False
        if not fresh:
            return False
        self._open[whose] = entry = Entry(stream, whose, identification, fresh)
        self._entries.append(entry)
        return True

    def close(self) -> Iterator[tuple[str, Identification]]:
        """Yield stream and identification of all that was merged, and begin anew."""
        entries, self._entries, self._open, self._owners = self._entries, [], {}, set()
        for entry in entries:
            made = self._merged(entry) if entry.values else entry.identification
            self._last.count(entry.whose, len(entry.values) or 1)
            yield entry.stream, made

    def _merged(self, entry: Entry) -> Identification:
        """Return the one identification that says what several said."""
        operations: dict[str, dict[str, Any]] = {}
        for name, (_, operation, value) in entry.values.items():
            operations.setdefault(operation, {})[name] = value
        time = None if entry.identification.time is None else max(value[0] for value in entry.values.values())
        # New in each run: after a crash older values are set again before the newest, and Amplitude would drop the
        # newest as a repeat of what it took before. Setting a value twice does no harm; a retry keeps its id.
        insert_id = f"{self._token}-{next(self._numbers)}"
        return Identification(entry.identification.subject, operations, time, insert_id)


def merge(values: dict[str, Value], fresh: dict[str, Value]) -> None:
    """Lay newer values over older ones."""
    for name, value in fresh.items():
        if name not in values or value[0] >= values[name][0]:
            values[name] = value
