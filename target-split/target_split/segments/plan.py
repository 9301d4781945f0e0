"""What is to change in a segment, and in which calls. Pure.

The rules that keep a segment safe: keys are removed only when the list is proven complete, never more than a share of
the segment at once, never all of them unless allowed; and a run that stops between two calls never leaves a segment
emptier than it was before and would have been after.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal

from target_split.api.limits import MAX_KEYS_PER_CALL, MAX_KEYS_PER_SEGMENT

Action = Literal["add", "remove"]


@dataclass(frozen=True)
class Naming:
    """What a list of members is called.

    Attributes:
        name: The segment's name.
        label: What messages call the list.
        description: What the segment is described by when it is made.
    """

    name: str
    label: str
    description: str


@dataclass
class Members:
    """A list of members as far as it came.

    Attributes:
        group: What tells it from other lists: the cohort's id, or the segment's name.
        naming: What it is called.
        traffic_type: Name of the traffic type; empty until a key has come.
        keys: Keys of the members.
        rows: Hashes of the rows that came, so that a row that comes twice counts once.
        nameless: Number of rows that came without anything to tell them apart by.
        size: Rows in the whole list, where the stream says it.
        disputed: Whether rows named different sizes.
        closed: Whether the stream said that all of it has come.
        thinned: Whether rows of the stream were filtered out or rejected on the way.
        too_many: Whether there are more keys than a segment holds; then they are not kept.
    """

    group: str
    naming: Naming
    traffic_type: str = ""
    keys: set[str] = field(default_factory=set)
    rows: set[int] = field(default_factory=set)
    nameless: int = 0
    size: int | None = None
    disputed: bool = False
    closed: bool = False
    thinned: bool = False
    too_many: bool = False

    def add(self, key: str | None, row: int | None, size: int | None) -> None:
        """Take a row.

        Args:
            key: The member's key; None for a member without one.
            row: Hash of the row's own key; None when the stream has no keys.
            size: What the row says of the list's size.
        """
        if row is None:
            self.nameless += 1
        else:
            self.rows.add(row)
        self.disputed = self.disputed or (self.size is not None and size != self.size)
        self.size = size
        if key is not None and not self.too_many:
            self.keys.add(key)
            if len(self.keys) > MAX_KEYS_PER_SEGMENT:
                self.too_many = True
                self.keys.clear()

    @property
    def doubt(self) -> str | None:
        """Why the list may not be the whole one; None when it is proven complete."""
        came = len(self.rows) + self.nameless
        if self.disputed:
            return "its rows name different sizes of the list"
        if self.size is not None:
            return None if came == self.size else f"{came:,} of its {self.size:,} rows came"
        if not self.closed:
            return "nothing said that the list is complete"
        return "some of its rows were filtered out or rejected" if self.thinned else None


@dataclass(frozen=True)
class Plan:
    """What is to change in a segment.

    Attributes:
        before: Number of keys it holds.
        adds: Keys to add.
        removes: Keys to remove.
        surplus: Keys that it holds and the list does not.
        kept_back: Why the surplus is not removed; None when it is (or there is none).
    """

    before: int
    adds: Sequence[str]
    removes: Sequence[str]
    surplus: int
    kept_back: str | None

    @property
    def after(self) -> int:
        """Number of keys it will hold."""
        return self.before + len(self.adds) - len(self.removes)

    def __str__(self) -> str:
        """Say the plan's effect."""
        effect = f"holds {self.before:,} keys; {len(self.adds):,} to add, {len(self.removes):,} to remove"
        return f"{effect} (not removed: {self.surplus:,}, because {self.kept_back})" if self.kept_back else effect


def plan(
    held: Collection[str], wanted: Collection[str], doubt: str | None, *, max_removal_share: float, allow_empty: bool
) -> Plan:
    """Return what is to change.

    Args:
        held: Keys that the segment holds.
        wanted: Keys of the list.
        doubt: Why the list may not be complete.
        max_removal_share: Largest part of the keys held that may go at once, 0 to 1.
        allow_empty: Whether an empty list may empty the segment.
    """
    adds = sorted(set(wanted) - set(held))
    surplus = sorted(set(held) - set(wanted))
    kept_back = None
    if not surplus:
        pass
    elif doubt is not None:
        kept_back = doubt
    elif not wanted:
        kept_back = None if allow_empty else "the list is empty; set 'allow_empty_segments' to empty the segment"
    elif len(surplus) > max_removal_share * len(held):
        share = len(surplus) / len(held)
        kept_back = f"that is {share:.0%} of the segment; raise 'max_removal_share' to allow it"
    return Plan(len(held), adds, [] if kept_back else surplus, len(surplus), kept_back)


def calls(changes: Plan) -> Iterator[tuple[Action, Sequence[str]]]:
    """Yield the calls of a plan, adds first.

    Where the additions do not fit beside what is still to be removed, removals go in between: as many as keep the
    segment no emptier than before and after.
    """
    adds, removes = list(changes.adds), list(changes.removes)
    floor = min(changes.before, changes.after)
    held = changes.before
    while adds or removes:
        room = min(MAX_KEYS_PER_SEGMENT - held, MAX_KEYS_PER_CALL)
        if adds and room > 0:
            yield "add", adds[:room]
            held += len(adds[:room])
            del adds[:room]
            continue
        # With a segment that is full before and after there is no way but to remove first.
        spare = held - floor if adds and held > floor else MAX_KEYS_PER_CALL
        most = min(spare, MAX_KEYS_PER_CALL)
        yield "remove", removes[:most]
        held -= len(removes[:most])
        del removes[:most]
