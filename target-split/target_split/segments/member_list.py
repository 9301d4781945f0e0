"""A list of members as far as it came, and what proves that it is the whole one. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from target_split.api.limits import MAX_KEYS_PER_SEGMENT
from target_split.common.amounts import number_in
from target_split.common.words import counted
from target_split.mapping.segments import ListName


@dataclass
class MemberList:
    """A list of members as far as it came.

    Attributes:
        group: What tells it from other lists: the cohort's id, or the segment's name.
        name: What it is called, and which segment it fills.
        traffic_type: Name of the traffic type; empty until a key has come.
        size: Rows in the whole list, where the stream has them.
        is_closed: Whether ACTIVATE_VERSION followed its rows: the tap sent all of them.
        dropped: Number of rows of its stream that were filtered out or rejected, nobody knows of which list.
        is_too_large: Whether there are more keys than a segment holds; they are not kept then.
        refusal: Why it cannot be a segment at all, if it cannot.
        seen: Hashes of the rows that came, so that a row that was sent twice can count once.
        anonymous: Number of rows that came without anything to tell them apart by.
        excluded: Number of rows among them that were filtered out or rejected.
        is_disputed: Whether rows named different sizes.
    """

    stream: str
    group: str
    name: ListName
    traffic_type: str = ""
    keys: set[str] = field(default_factory=set)
    size: int | None = None
    is_closed: bool = False
    dropped: int = 0
    is_too_large: bool = False
    refusal: str | None = None
    rows: int = 0
    seen: set[int] = field(default_factory=set)
    anonymous: int = 0
    excluded: int = 0
    is_disputed: bool = False

    def add(self, key: str | None, row: int | None, size: int | None) -> None:
        """Take a row.

        Args:
            key: The member's key; None for a member without one.
            row: Hash of what tells the row from others; None when nothing does.
            size: What the row says of the list's size.
        """
        self.rows += 1
        if row is None:
            self.anonymous += 1
        else:
            self.seen.add(row)
        self.is_disputed = self.is_disputed or (self.size is not None and size != self.size)
        self.size = size
        if key is not None and not self.is_too_large:
            self.keys.add(key)
            if len(self.keys) > MAX_KEYS_PER_SEGMENT:
                self.is_too_large = True
                self.keys.clear()

    def exclude(self, row: int | None, size: int | None) -> None:
        """Take note of a row that is filtered out or rejected: it came, but the list is not whole without it."""
        self.add(None, row, size)
        self.excluded += 1

    @property
    def is_delivered(self) -> bool:
        """Whether the tap sent all of it, so that STATE may pass: whatever is missing is left out on purpose.

        ACTIVATE_VERSION alone tells so of a list without a size. One with a size lacks no more rows than were dropped.
        """
        if self.size is None and not self.is_disputed:
            return self.is_closed
        return self._lacks_at_most(self.dropped if self.is_closed else 0)

    def _lacks_at_most(self, rows: int) -> bool:
        """Whether all rows of the list came but for some: all of them, or all different ones.

        Amplitude's list may hold a row twice, which its size counts twice; a row may also be sent twice.
        """
        came = (self.rows, len(self.seen) + self.anonymous)
        return not self.is_disputed and self.size is not None and any(0 <= self.size - n <= rows for n in came)

    @property
    def incomplete_reason(self) -> str | None:
        """Why the list may not be the whole one; None when it is proven complete."""
        if self.is_disputed:
            return "its rows name different sizes of the list"
        if self.excluded:
            return f"{counted(self.excluded, 'of its rows was', 'of its rows were')} filtered out or rejected"
        if self.size is not None:
            different = len(self.seen) + self.anonymous
            return None if self._lacks_at_most(0) else f"{different:,} of its {self.size:,} rows came"
        if not self.is_closed:
            return "nothing said that the list is complete"
        return "some rows of its stream were filtered out or rejected" if self.dropped else None


def size_of(value: Any) -> int | None:
    """Return the size that a row says its list has: a whole number, also one written as text or as `12.0`."""
    if isinstance(value, str):
        value = number_in(value)
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None
