"""Merges identifications, so that one is sent for a user where many records change its properties.

Values that replace others (`$set`, `$unset`, and keys such as `country`) are merged: of each only the newest by time is
sent, and only when it differs from the last one sent. Other operations (`$add`, `$append`, …) are sent one by one, in
order.
"""

from __future__ import annotations

import itertools
import secrets
from collections.abc import Iterator
from typing import Any

import msgspec

from target_amplitude.delivery.last_values import Change, LastValues
from target_amplitude.payloads.identification import Identification, is_mergeable, owner
from target_amplitude.payloads.quick import UserProperty

# Stands for the keys of an identification besides ids and properties. They replace each other as a whole, because
# Amplitude resets the other keys of a linked group (country, region, city, dma) that are not sent along.
OTHER_KEYS = "\0keys"
# An identification in the making takes as much memory, without its values, as so many of them.
ENTRY_VALUES = 3


class Merged(Identification, gc=False):
    """An identification to be sent.

    Attributes:
        sources: Stream and origin of the records whose values it holds.
        changed: Whose properties it sets, and the time of each; None where that is not kept.
    """

    sources: list[tuple[str, Any]] = msgspec.field(default_factory=list)
    changed: tuple[str, dict[str, int]] | None = None


class Entry(msgspec.Struct, gc=False):
    """An identification in the making.

    Attributes:
        whose: The user or group.
        stream: The stream of its first record.
        subject: Its ids.
        changes: Property → its newest change; empty for an identification that is not merged.
        has_time: Whether the changes have times.
        whole: One that is not merged.
    """

    whose: str
    stream: str
    subject: dict[str, str]
    changes: dict[str, Change]
    has_time: bool = False
    whole: Merged | None = None

    def takes(self, subject: dict[str, str], others: str, *, has_time: bool) -> bool:
        """Whether an identification of the same user or group can become part of this one.

        Args:
            subject: Its ids.
            others: Under which name its other keys would stand; empty for none. There is room for one set.
            has_time: Whether it has a time.
        """
        return (
            self.whole is None
            and self.has_time is has_time
            and self.subject == subject
            and (not others or others in self.changes or not any(name[:1] == "\0" for name in self.changes))
        )

    def change(self, name: str, change: Change) -> None:
        """Take a change of a property, unless it is older than the one that waits."""
        before = self.changes.get(name)
        if before is None or change.time is None or before.time is None or change.time >= before.time:
            self.changes[name] = change


class Merger:
    """Identifications of one partition that wait to be sent together, in order of their first record.

    Attributes:
        taken: How many values and unmerged identifications it has taken; each that is to be sent adds `ENTRY_VALUES`.
        unchanged: Streams of those that came to nothing when it was closed last, one for each that waited apart.
    """

    def __init__(self, last: LastValues) -> None:
        self.taken = 0
        self.unchanged: list[str] = []
        self._last = last
        self._keeps_times = last.keeps_times
        self._entries: list[Entry] = []
        self._newest: dict[str, Entry] = {}  # by owner
        self._token = secrets.token_hex(8)
        self._numbers = itertools.count()

    def concerns(self, whose: str) -> bool:
        """Whether something of a user or group waits."""
        return whose in self._newest

    def add(self, stream: str, identification: Identification, origin: Any = None) -> bool:
        """Take an identification; return whether it waits apart from the others, as one more to send."""
        subject, operations, time = identification.subject, identification.operations, identification.time
        whose = owner(subject)
        if not is_mergeable(operations):
            self.taken += 1
            whole = Merged(subject, operations, time, identification.insert_id, identification.others)
            whole.sources = [(stream, origin)]
            self._append(Entry(whose, stream, subject, {}, whole=whole))
            return True
        others = f"\0{','.join(sorted(identification.others))}" if identification.others else ""
        entry, is_apart = self._entry(stream, whose, subject, others, has_time=time is not None)
        for operation, properties in operations.items():
            self.taken += len(properties)
            for name, value in properties.items():
                entry.change(name, Change(time, operation, value, stream, origin))
        if others:
            self.taken += 1
            entry.change(others, Change(time, OTHER_KEYS, identification.others, stream, origin))
        return is_apart

    def set(self, stream: str, one: UserProperty, origin: Any = None) -> bool:
        """Take a value of one property, as `add` takes the identification that sets it."""
        self.taken += 1
        entry, is_apart = self._entry(stream, owner(one.subject), one.subject, has_time=True)
        entry.change(one.name, Change(one.time, "$set", one.value, stream, origin))
        return is_apart

    def _entry(
        self, stream: str, whose: str, subject: dict[str, str], others: str = "", *, has_time: bool
    ) -> tuple[Entry, bool]:
        """Return the entry that takes changes of a user or group, and whether it is a new one."""
        entry = self._newest.get(whose)
        if entry is not None and entry.takes(subject, others, has_time=has_time):
            return entry, False
        entry = Entry(whose, stream, subject, {}, has_time)
        self._append(entry)
        return entry, True

    def _append(self, entry: Entry) -> None:
        self.taken += ENTRY_VALUES
        self._entries.append(entry)
        self._newest[entry.whose] = entry

    def close(self) -> Iterator[Merged]:
        """Yield all that was merged and is news, and begin anew."""
        entries, self._entries, self._newest, self.taken, self.unchanged = self._entries, [], {}, 0, []
        for entry in entries:
            if entry.whole is not None:
                self._last.forget(entry.whose, updates=1)
                yield entry.whole
                continue
            self._last.learn(entry.whose, entry.changes)
            if entry.changes:
                yield self._merged(entry)
            else:
                self.unchanged.append(entry.stream)

    def _merged(self, entry: Entry) -> Merged:
        """Return the one identification that several records make."""
        operations: dict[str, dict[str, Any]] = {}
        others: dict[str, Any] | None = None
        newest = 0
        sources: dict[int, tuple[str, Any]] = {}
        for name, change in entry.changes.items():
            if change.operation in operations:
                operations[change.operation][name] = change.value
            elif change.operation == OTHER_KEYS:
                others = change.value
            else:
                operations[change.operation] = {name: change.value}
            if change.time and change.time > newest:
                newest = change.time
            sources[id(change.origin)] = change.stream, change.origin
        # New in each run: after a crash older values are set again before the newest, and Amplitude would drop the
        # newest as a repeat of what it took before. Setting a value twice does no harm; a retry keeps its id.
        insert_id = f"{self._token}-{next(self._numbers)}"
        time = newest if entry.has_time else None
        changed = self._changed(entry) if self._keeps_times else None
        return Merged(entry.subject, operations, time, insert_id, others, list(sources.values()), changed)

    def _changed(self, entry: Entry) -> tuple[str, dict[str, int]] | None:
        times = {name: change.time for name, change in entry.changes.items() if change.time}
        return (entry.whose, times) if times else None
