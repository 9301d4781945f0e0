"""Which cohorts to read, and what their members are. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

Cohort = dict[str, Any]

EVERYTHING = "*"
USER = "User"
# What a list of groups counts where the list of cohorts does not name the group type.
UNNAMED_GROUP = "Group"


def select_cohorts(listed: Sequence[Cohort], globs: Mapping[str, Sequence[str]]) -> tuple[list[Cohort], list[str]]:
    """Return the listed cohorts that match a glob, and the globs that match none.

    An archived cohort is selected by its exact id or name only, since each list costs a download.

    Args:
        listed: The cohorts.
        globs: By the member of a cohort that they are about (`id`, `name`).
    """
    selected: dict[str, Cohort] = {}
    unmatched = []
    for member, patterns in globs.items():
        for pattern in patterns:
            matching = [cohort for cohort in listed if matches(cohort, member, pattern)]
            selected |= {cohort["id"]: cohort for cohort in matching}
            if not matching and pattern != EVERYTHING:
                unmatched.append(pattern)
    return list(selected.values()), unmatched


def matches(cohort: Cohort, member: str, pattern: str) -> bool:
    """Whether a glob selects a cohort by its id or name."""
    text = str(cohort.get(member) or "")
    return text == pattern or (not cohort.get("archived") and fnmatchcase(text, pattern))


def count_group(cohort: Cohort) -> str | None:
    """Return what a cohort counts: `User`, or the name of a group type; None where Amplitude does not say."""
    definition = cohort.get("definition")
    group = definition.get("countGroup") if isinstance(definition, dict) else None
    name = group.get("name") if isinstance(group, dict) else group
    return name if isinstance(name, str) and name.strip() else None


def group_of_members(cohort: Cohort, *, is_group: bool) -> str:
    """Return what the members of a list are: `User`, or the name of their group type.

    Args:
        cohort: As listed.
        is_group: Whether the file of its members is one of groups, which the list of cohorts may not say.
    """
    listed = count_group(cohort)
    if is_group:
        return UNNAMED_GROUP if listed in (None, USER) else str(listed)
    return listed or USER


def version_of(cohort: Cohort) -> int | str | None:
    """Return when a cohort was computed, to be compared and kept in the state."""
    return plain(cohort.get("lastComputed"))


def plain(value: Any) -> int | str | None:
    """Return a value as a state may hold it: whole numbers and texts, since many targets cannot store a float."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value if value is None or type(value) in (int, str) else str(value)
