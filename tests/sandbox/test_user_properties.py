"""How user properties change: https://amplitude.com/docs/apis/analytics/identify."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from split_amplitude_sandbox.amplitude.user_properties import apply, are_valid


@pytest.mark.parametrize(
    ("before", "change", "after"),
    [
        ({}, {"a": 1, "b": None}, {"a": 1, "b": None}),
        ({"a": 1}, {"$set": {"a": 2}}, {"a": 2}),
        ({"a": 1}, {"$setOnce": {"a": 2, "b": 3}}, {"a": 1, "b": 3}),
        ({"a": 1.5}, {"$add": {"a": 2, "b": 3}}, {"a": 3.5, "b": 3}),
        ({"a": [1]}, {"$append": {"a": 2, "b": [3, 3]}}, {"a": [1, 2], "b": [3, 3]}),
        ({"a": [1]}, {"$prepend": {"a": [3, 2]}}, {"a": [3, 2, 1]}),
        ({"a": [1, 2]}, {"$preInsert": {"a": [3, 2, 4]}}, {"a": [3, 4, 1, 2]}),
        ({"a": [1, 2]}, {"$postInsert": {"a": [3, 2, 4]}}, {"a": [1, 2, 3, 4]}),
        ({"a": [1, 2, 1]}, {"$remove": {"a": 1, "b": 1}}, {"a": [2]}),
        ({"a": 1, "b": 2}, {"$unset": {"a": "-", "c": "-"}}, {"b": 2}),
        ({"a": 1}, {"$clearAll": "-"}, {}),
        ({"a": 1}, {"$clearAll": "-", "$set": {"b": 2}}, {"b": 2}),
        ({"a": "one"}, {"$append": {"a": "two"}}, {"a": ["one", "two"]}),
    ],
)
def test_operations(before: dict[str, Any], change: dict[str, Any], after: dict[str, Any]) -> None:
    assert are_valid(change)
    apply(before, change)
    assert before == after


@pytest.mark.parametrize("given", [{"$set": 1}, {"$nothing": {}}, {"$set": {}, "a": 1}, {"$add": {"a": True}}])
def test_invalid_operations(given: dict[str, Any]) -> None:
    assert not are_valid(given)


@given(some.lists(some.integers(0, 3)), some.lists(some.integers(0, 3)))
def test_an_inserted_value_is_there_once(present: list[int], inserted: list[int]) -> None:
    properties: dict[str, Any] = {"a": list(present)}
    apply(properties, {"$postInsert": {"a": inserted}})
    apply(properties, {"$preInsert": {"a": inserted}})
    assert [value for value in properties["a"] if value not in present] == list(
        dict.fromkeys(value for value in inserted if value not in present)
    )
