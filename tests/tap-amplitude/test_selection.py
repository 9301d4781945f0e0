"""Which cohorts are read, and what their members are."""

from __future__ import annotations

from typing import Any

import pytest

from tap_amplitude.cohorts.selection import count_group, group_of_members, plain, select_cohorts

COHORTS: list[dict[str, Any]] = [
    {"id": "a1", "name": "Power users"},
    {"id": "a2", "name": "Power [beta]"},
    {"id": "b1", "name": None},
    {"id": "b2", "name": "Old power", "archived": True},
]


@pytest.mark.parametrize(
    ("globs", "selected", "unmatched"),
    [
        ({"id": ["*"]}, ["a1", "a2", "b1"], []),
        ({"name": ["*"]}, ["a1", "a2", "b1"], []),
        ({"name": ["Power*"]}, ["a1", "a2"], []),
        ({"name": ["power*"]}, [], ["power*"]),
        ({"name": ["Power [beta]"]}, ["a2"], []),
        ({"id": ["b?"]}, ["b1"], []),
        ({"id": ["b2"]}, ["b2"], []),
        ({"name": ["Old power"]}, ["b2"], []),
        ({"name": ["Old*"]}, [], ["Old*"]),
        ({"id": ["a1", "gone"], "name": ["Power*"]}, ["a1", "a2"], ["gone"]),
    ],
)
def test_globs_select_cohorts(globs: dict[str, list[str]], selected: list[str], unmatched: list[str]) -> None:
    found, missing = select_cohorts(COHORTS, globs)
    assert ([cohort["id"] for cohort in found], missing) == (selected, unmatched)


def test_all_of_no_cohorts_is_none() -> None:
    assert select_cohorts([], {"id": ["*"]}) == ([], [])


@pytest.mark.parametrize(
    ("definition", "listed", "of_users", "of_groups"),
    [
        ({"countGroup": {"name": "User"}}, "User", "User", "Group"),
        ({"countGroup": {"name": "company"}}, "company", "company", "company"),
        ({"countGroup": "company"}, "company", "company", "company"),
        ({"countGroup": {"name": 5}}, None, "User", "Group"),
        ({}, None, "User", "Group"),
        (None, None, "User", "Group"),
        ("text", None, "User", "Group"),
    ],
)
def test_a_group_cohort_is_never_taken_for_users(
    definition: Any, listed: str | None, of_users: str, of_groups: str
) -> None:
    cohort = {"id": "c", "definition": definition}
    assert count_group(cohort) == listed
    assert group_of_members(cohort, is_group=False) == of_users
    assert group_of_members(cohort, is_group=True) == of_groups


@pytest.mark.parametrize(
    ("value", "kept"), [(1773478801, 1773478801), (1773478801.0, 1773478801), (1.5, "1.5"), ("x", "x"), (None, None)]
)
def test_a_state_holds_whole_numbers_and_texts(value: Any, kept: Any) -> None:
    assert plain(value) == kept
    assert type(plain(value)) is type(kept)
