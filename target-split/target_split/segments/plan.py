"""What is to change in a segment, and in which calls. Pure.

The rules that keep a segment safe: keys are removed only when the list is proven complete, never more than a share of
the segment at once, never all of them unless allowed; and a run that stops between two calls never leaves a segment
emptier than it was before and would have been after.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from target_split.api.admin import Action
from target_split.api.limits import MAX_KEYS_PER_CALL, MAX_KEYS_PER_SEGMENT
from target_split.common.words import counted

# In a segment of fewer keys, half of them are a few people: a share says nothing there.
MIN_KEYS_FOR_SHARE = 20


@dataclass(frozen=True)
class Plan:
    """What is to change in a segment.

    Attributes:
        before: Number of keys it holds.
        adds: Keys to add.
        removes: Keys to remove.
        surplus: How many keys it holds that the list does not.
        kept_because: Why the surplus is not removed; None when it is, or there is none.
        is_failure: Whether that is for the user to decide, so that the segment counts as failed.
    """

    before: int
    adds: Sequence[str]
    removes: Sequence[str]
    surplus: int
    kept_because: str | None = None
    is_failure: bool = False

    @property
    def after(self) -> int:
        """Number of keys it will hold."""
        return self.before + len(self.adds) - len(self.removes)

    def __str__(self) -> str:
        """Say the plan's effect."""
        effect = f"holds {counted(self.before, 'key')}; {len(self.adds):,} to add, {len(self.removes):,} to remove"
        return f"{effect} (not removed: {self.surplus:,}, because {self.kept_because})" if self.kept_because else effect


def plan(
    held: Collection[str],
    wanted: Collection[str],
    incomplete_reason: str | None,
    *,
    max_removal_share: float,
    allow_empty: bool,
) -> Plan:
    """Return what is to change.

    Args:
        held: Keys that the segment holds.
        wanted: Keys of the list.
        incomplete_reason: Why the list may not be complete.
        max_removal_share: Largest part of the keys held that may go at once, 0 to 1.
        allow_empty: Whether an empty list may empty the segment.
    """
    adds = sorted(set(wanted) - set(held))
    surplus = sorted(set(held) - set(wanted))
    share = len(surplus) / len(held) if held else 0.0
    if not surplus:
        return Plan(len(held), adds, [], 0)
    if incomplete_reason is not None:
        return Plan(len(held), adds, [], len(surplus), incomplete_reason)
    if not wanted and not allow_empty:
        reason = "the list is empty; set 'allow_empty_segments' to empty the segment"
        return Plan(len(held), adds, [], len(surplus), reason)
    if wanted and len(held) >= MIN_KEYS_FOR_SHARE and share > max_removal_share:
        reason = f"that is {share:.0%} of the segment; raise 'max_removal_share' to allow it"
        return Plan(len(held), adds, [], len(surplus), reason, is_failure=True)
    return Plan(len(held), adds, surplus, len(surplus))


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
