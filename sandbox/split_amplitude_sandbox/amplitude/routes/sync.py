"""Which members of a cohort entered and left since a destination was synced last."""

from __future__ import annotations

import random
from typing import Any, Literal, NamedTuple, TypeVar

import msgspec

from split_amplitude_sandbox.store import Store

SYNC = "cohort sync"

Member = dict[str, Any]
Item = TypeVar("Item")
Order = Literal["sent", "reversed", "shuffled"]


class Difference(NamedTuple):
    """A sync: `previous` is the list of the last one."""

    cohort: dict[str, Any]
    number: int
    entering: list[Member]
    exiting: list[Member]
    previous: list[Member]
    computed_time: int


def next_sync(store: Store, target: str, cohort_id: str, computed_time: int | None) -> Difference:
    """What the next sync of a cohort to a target brings; the first one brings every member.

    Raises:
        ValueError: there is no such cohort.
    """
    cohort = store.document("cohort", cohort_id)
    if cohort is None:
        raise ValueError(f"there is no cohort {cohort_id!r}")
    known = store.document(SYNC, f"{target} {cohort_id}") or {"number": 0, "members": []}
    now = {_identity(one): one for one in cohort.get("members", [])}
    before = {_identity(one): one for one in known["members"]}
    return Difference(
        cohort,
        known["number"] + 1,
        [one for identity, one in now.items() if identity not in before],
        [one for identity, one in before.items() if identity not in now],
        known["members"],
        cohort["last_computed"] if computed_time is None else computed_time,
    )


def finish_sync(store: Store, target: str, difference: Difference) -> None:
    """Remember that a destination has the cohort's present list."""
    cohort = difference.cohort
    body = {"number": difference.number, "members": cohort.get("members", [])}
    store.put_document(SYNC, f"{target} {cohort['id']}", body)


def arranged(items: list[Item], order: Order, seed: int) -> list[Item]:
    """Items in the order in which they go out; `shuffled` is the same disorder for the same seed."""
    if order == "reversed":
        return items[::-1]
    if order == "shuffled":
        return random.Random(seed).sample(items, len(items))  # noqa: S311 - repeatable on purpose, nothing secret
    return items


def _identity(member: Member) -> str:
    """What tells one member from another."""
    ids = [member.get(name) for name in ("amplitude_id", "user_id", "group_value")]
    return msgspec.json.encode(ids).decode()
