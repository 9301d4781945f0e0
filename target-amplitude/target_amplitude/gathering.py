"""Gathers identifications, so that one goes out for a user where many records change its properties. Pure.

Values that replace others (`$set`, `$unset`) are merged: of each property only the newest by time goes out, and only
when it differs from the last one sent. Other operations (`$add`, `$append`, …) are sent one by one, in order.
"""

from __future__ import annotations

import itertools
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from .identification import Identification

# "1,800 user property updates an hour per Amplitude ID; more may be dropped", Identify API page. Whether an update
# with several properties counts once is not said, so each property counts.
UPDATES_PER_HOUR = 1800
HOUR_SECONDS = 3600.0
# Users of whom the last values are remembered: about 30 MB with 10 flags each.
REMEMBERED_SUBJECTS = 20_000

Subject = tuple[tuple[str, str], ...]
Value = tuple[int, str, Any]  # time, operation, value


class Sent:
    """What was last sent of one user or group: property → value, and how many updates this hour."""

    __slots__ = ("hour", "updates", "values")

    def __init__(self) -> None:
        self.values: dict[str, Value] = {}
        self.hour = 0.0
        self.updates = 0


class LastValues:
    """Remembers the last values of the users that changed last.

    Args:
        now: Monotonic seconds.
        warn: Called once with a user's number of updates when it passes what Amplitude takes in an hour.
    """

    def __init__(self, now: Callable[[], float], over_limit: Callable[[], None]) -> None:
        self._now = now
        self._over_limit = over_limit
        self._sent: dict[Subject, Sent] = {}  # in order of the last change

    def news(self, subject: Subject, identification: Identification) -> dict[str, Value]:
        """Return what of an identification is newer than, and differs from, what is known."""
        sent = self._sent.pop(subject, None) or Sent()
        self._sent[subject] = sent
        if len(self._sent) > REMEMBERED_SUBJECTS:
            del self._sent[next(iter(self._sent))]
        fresh: dict[str, Value] = {}
        for operation, name, value in identification.values():
            last = sent.values.get(name)
            time = identification.time if identification.time is not None else (last[0] if last else 0)
            if last is None or time >= last[0]:
                sent.values[name] = (time, operation, value)
                if last is None or last[1:] != (operation, value):
                    fresh[name] = (time, operation, value)
        return fresh

    def count(self, subject: Subject, updates: int) -> None:
        """Count updates that are about to be sent."""
        sent = self._sent.get(subject)
        if sent is None:
            return
        now = self._now()
        if now - sent.hour >= HOUR_SECONDS:
            sent.hour, sent.updates = now, 0
        before = sent.updates
        sent.updates += updates
        if before <= UPDATES_PER_HOUR < sent.updates:
            self._over_limit()


@dataclass
class Entry:
    """An identification in the making.

    Attributes:
        values: Merged values of each property; None for an identification that stands alone.
    """

    stream: str
    identification: Identification
    values: dict[str, Value] = field(default_factory=dict)


class Gathering:
    """Identifications of one lane that wait to be sent together, in order of their first record."""

    def __init__(self, last: LastValues) -> None:
        self._last = last
        self._entries: list[Entry] = []
        self._open: dict[Subject, Entry] = {}
        self._keys: set[str] = set()
        self._token = secrets.token_hex(8)
        self._numbers = itertools.count()

    def __len__(self) -> int:
        return len(self._entries)

    def concerns(self, key: str) -> bool:
        """Whether something of a user or group waits, by its lane's key."""
        return key in self._keys

    def add(self, stream: str, identification: Identification) -> bool:
        """Take an identification; return whether it makes one more to send."""
        subject = tuple(identification.subject.items())
        self._keys.add(identification.lane_key)
        if not identification.replaces:
            self._open.pop(subject, None)
            self._entries.append(Entry(stream, identification))
            return True
        fresh = self._last.news(subject, identification)
        entry = self._open.get(subject)
        if entry is not None:
            merge(entry.values, fresh)
            return False
        if not fresh:
            return False
        entry = self._open[subject] = Entry(stream, identification, fresh)
        self._entries.append(entry)
        return True

    def close(self) -> Iterator[tuple[str, Identification]]:
        """Yield stream and identification of all that was gathered, and begin anew."""
        entries, self._entries, self._open, self._keys = self._entries, [], {}, set()
        for entry in entries:
            subject = tuple(entry.identification.subject.items())
            made = self._merged(entry) if entry.values else entry.identification
            self._last.count(subject, sum(1 for _ in made.values()))
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
