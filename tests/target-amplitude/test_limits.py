"""What Amplitude would refuse or silently spoil is mended and counted, or unusable with a reason."""

from __future__ import annotations

import json
import math
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from target_amplitude.api import limits
from target_amplitude.api.limits import Unusable

TEXTS = st.one_of(
    st.text(alphabet="aé東\ud800\udfff😀", max_size=6), st.sampled_from(["x" * 1024, "é" * 1025, "\ud800" * 1030])
)
SCALARS = st.one_of(st.none(), st.booleans(), st.integers(), st.integers(2**62, 2**66), st.floats(), TEXTS)
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner) | st.dictionaries(TEXTS, inner), max_leaves=8)


def depth(value: Any) -> int:
    if isinstance(value, dict):
        return 1 + max(map(depth, value.values()), default=0)
    if isinstance(value, list):
        return 1 + max(map(depth, value), default=0)
    return 0


def assert_within_limits(value: Any) -> None:
    if isinstance(value, dict):
        assert len(value) <= 1024
        assert "" not in value
        for name, inner in value.items():
            name.encode()
            assert_within_limits(inner)
    elif isinstance(value, list):
        for inner in value:
            assert_within_limits(inner)
    elif isinstance(value, str):
        value.encode()
        assert len(value) <= 1024
    elif isinstance(value, int):
        assert -(2**63) <= value < 2**63
    elif isinstance(value, float):
        assert math.isfinite(value)


@settings(max_examples=60)
@given(st.dictionaries(TEXTS, VALUES))
def test_whatever_comes_goes_out_within_the_limits(properties: dict[str, Any]):
    mended: list[str] = []
    cleaned = limits.clean_properties(properties, mended.append)
    assert_within_limits(cleaned)
    assert msgspec.json.decode(msgspec.json.encode(cleaned)) == cleaned
    if not mended:
        assert cleaned == properties
    again: list[str] = []
    assert limits.clean_properties(cleaned, again.append) == cleaned
    assert again == []


@given(st.dictionaries(TEXTS, SCALARS))
def test_what_the_fast_check_lets_pass_needs_no_mending(properties: dict[str, Any]):
    if limits.is_plain(properties):
        mended: list[str] = []
        limits.clean_properties(properties, mended.append)
        assert set(mended) <= {limits.LONE_SURROGATE}


def nested(levels: int) -> Any:
    value: Any = "x"
    for _ in range(levels):
        value = {"a": value}
    return value


@pytest.mark.parametrize(("levels", "kept"), [(1, True), (40, True), (41, False), (500, False)])
def test_depth(levels: int, kept: bool):
    mended: list[str] = []
    cleaned = limits.clean_properties(nested(levels), mended.append)
    assert depth(cleaned) == min(levels, 40)
    assert (mended == []) is kept
    lists: Any = "x"
    for _ in range(levels - 1):
        lists = [lists]
    assert depth(limits.clean_properties({"a": lists}, mended.append)) == min(levels, 40)


@pytest.mark.parametrize(
    ("value", "expected", "reason"),
    [
        ("x" * 1024, "x" * 1024, None),
        ("é" * 1025, "é" * 1024, limits.LONG_TEXT),
        ("a\ud800b", "a\ufffdb", limits.LONE_SURROGATE),
        (float("nan"), None, limits.NOT_FINITE),
        (float("-inf"), None, limits.NOT_FINITE),
        (2**63 - 1, 2**63 - 1, None),
        (2**63, str(2**63), limits.LARGE_INTEGER),
        (-(2**63) - 1, str(-(2**63) - 1), limits.LARGE_INTEGER),
        ([float("inf"), {"a": "x" * 2000}], [None, {"a": "x" * 1024}], limits.NOT_FINITE),
        (True, True, None),
    ],
)
def test_each_kind_of_value(value, expected, reason: str | None):
    mended: list[str] = []
    assert limits.clean_properties({"p": value}, mended.append) == {"p": expected}
    assert mended[:1] == ([reason] if reason else [])


def test_names_and_their_number():
    mended: list[str] = []
    cleaned = limits.clean_properties({"": 1, **{f"p{n}": n for n in range(2000)}}, mended.append)
    assert len(cleaned) == 1024
    assert mended == [limits.EMPTY_NAME, limits.TOO_MANY]


@pytest.mark.parametrize(
    "text",
    ["anonymous", "Anonymous", " NULL ", "nil", "none", "n/a", "na", "undefined", "unknown", "0", "-1", "{}", "lmy47d",
     "00000000-0000-0000-0000-000000000000", "x" * 1025, "\ud800", "ab"],
)  # fmt: skip
def test_ids_that_are_refused(text: str):
    assert limits.id_problem(text, 3)


@pytest.mark.parametrize("text", ["a", "1", "-", "user@example.com", "東京", "x" * 1024, "nobody", "00"])
def test_ids_that_are_taken(text: str):
    assert limits.id_problem(text, 1) == ""


def test_short_ids():
    assert limits.id_problem("abcd", 5) == "an id shorter than 5 characters"
    assert limits.id_problem("abcde", 5) == ""


@pytest.mark.parametrize(
    ("value", "text"),
    [("x", "x"), (17, "17"), (-3, "-3"), (4.0, "4"), (None, None), ("", None), ("  ", None), (2**70, str(2**70))],
)
def test_ids_are_texts(value, text: str | None):
    assert limits.id_text(value) == text


@pytest.mark.parametrize("value", [True, 1.5, float("nan"), float("inf"), [], {}, ["x"]])
def test_what_is_no_id(value):
    with pytest.raises(Unusable):
        limits.id_text(value)


@pytest.mark.parametrize("value", [None, "", " ", 5, [], "[Amplitude] Start Session", "[Amplitude] Revenue"])
def test_event_types_that_cannot_be(value):
    with pytest.raises(Unusable):
        limits.event_type(value, lambda _: None)


def test_long_event_types_are_cut():
    mended: list[str] = []
    assert limits.event_type("x" * 1500, mended.append) == "x" * 1024
    assert mended == [limits.LONG_TEXT]


@pytest.mark.parametrize(
    ("value", "number", "whole"),
    [
        (3, 3, 3), (3.0, 3.0, 3), ("3", 3, 3), (" -4 ", -4, -4), ("3.5", 3.5, None), (3.5, 3.5, None),
        ("1e3", 1000.0, 1000), (1e300, 1e300, None),
        (True, None, None), ("x", None, None), ("", None, None), (None, None, None), ([], None, None),
        (float("nan"), None, None), ("inf", None, None), (10**400, None, None), ("9" * 5000, None, None),
    ],
)  # fmt: skip
def test_numbers(value, number, whole):
    mended: list[str] = []
    assert limits.number(value, mended.append) == number
    assert bool(mended) is (number is None)
    assert limits.whole_number(value, lambda _: None) == whole


def test_groups():
    mended: list[str] = []
    assert limits.group_values({"org": "acme", "team": ["a", 7, None, ""], "": "x", "no": None}, mended.append) == {
        "org": "acme",
        "team": ["a", "7"],
    }
    assert mended == []
    six = limits.group_values({f"type{n}": "v" for n in range(6)}, mended.append)
    assert len(six) == 5
    many = limits.group_values({"a": list(range(8)), "b": list(range(8))}, mended.append)
    assert [len(values) for values in many.values()] == [8, 2]
    assert mended == [limits.TOO_MANY_GROUPS] * 2


@given(st.dictionaries(TEXTS, SCALARS | st.lists(SCALARS)))
def test_any_groups(groups: dict[str, Any]):
    kept = limits.group_values(groups, lambda _: None)
    values = [value if isinstance(value, list) else [value] for value in kept.values()]
    assert len(kept) <= 5
    assert sum(map(len, values)) <= 10
    json.dumps(kept).encode()
    assert all(isinstance(text, str) and 0 < len(text) <= 1024 for one in values for text in one)
