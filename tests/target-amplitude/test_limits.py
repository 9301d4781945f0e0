"""What Amplitude would refuse or silently change is coerced and counted, or rejected with a reason."""

from __future__ import annotations

import json
import math
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from target_amplitude.api import coerce, limits
from target_amplitude.api.outcomes import Rejected

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
    changes: list[str] = []
    cleaned = coerce.clean_properties(properties, changes.append)
    assert_within_limits(cleaned)
    assert msgspec.json.decode(msgspec.json.encode(cleaned)) == cleaned
    if not changes:
        assert cleaned == properties
    again: list[str] = []
    assert coerce.clean_properties(cleaned, again.append) == cleaned
    assert again == []


@given(st.dictionaries(TEXTS, SCALARS))
def test_what_the_fast_check_lets_pass_needs_no_mending(properties: dict[str, Any]):
    if coerce.is_plain(properties):
        changes: list[str] = []
        coerce.clean_properties(properties, changes.append)
        assert set(changes) <= {coerce.LONE_SURROGATE}


def nested(levels: int) -> Any:
    value: Any = "x"
    for _ in range(levels):
        value = {"a": value}
    return value


@pytest.mark.parametrize(("levels", "kept"), [(1, True), (40, True), (41, False), (500, False)])
def test_depth(levels: int, kept: bool):
    changes: list[str] = []
    cleaned = coerce.clean_properties(nested(levels), changes.append)
    assert depth(cleaned) == min(levels, 40)
    assert (changes == []) is kept
    lists: Any = "x"
    for _ in range(levels - 1):
        lists = [lists]
    assert depth(coerce.clean_properties({"a": lists}, changes.append)) == min(levels, 40)


@pytest.mark.parametrize(
    ("value", "expected", "reason"),
    [
        ("x" * 1024, "x" * 1024, None),
        ("é" * 1025, "é" * 1024, limits.LONG_TEXT),
        ("a\ud800b", "a\ufffdb", coerce.LONE_SURROGATE),
        (float("nan"), None, coerce.NOT_FINITE),
        (float("-inf"), None, coerce.NOT_FINITE),
        (2**63 - 1, 2**63 - 1, None),
        (2**63, str(2**63), coerce.LARGE_INTEGER),
        (-(2**63) - 1, str(-(2**63) - 1), coerce.LARGE_INTEGER),
        ([float("inf"), {"a": "x" * 2000}], [None, {"a": "x" * 1024}], coerce.NOT_FINITE),
        (True, True, None),
    ],
)
def test_each_kind_of_value(value, expected, reason: str | None):
    changes: list[str] = []
    assert coerce.clean_properties({"p": value}, changes.append) == {"p": expected}
    assert changes[:1] == ([reason] if reason else [])


def test_names_and_their_number():
    changes: list[str] = []
    cleaned = coerce.clean_properties({"": 1, **{f"p{n}": n for n in range(2000)}}, changes.append)
    assert len(cleaned) == 1024
    assert changes == [coerce.EMPTY_NAME, coerce.TOO_MANY]


@pytest.mark.parametrize(
    "text",
    [
        *("anonymous", "Anonymous", " NULL ", "nil", "none", "n/a", "na", "undefined", "unknown", "0", "-1", "{}"),
        *("lmy47d", "00000000-0000-0000-0000-000000000000", "x" * 1025, "\ud800", "user\ufffd", "ab", "\u200b"),
        " \u200bnull\ufeff",
    ],
)
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
    [
        ("x", "x"),
        (17, "17"),
        (-3, "-3"),
        (4.0, "4"),
        (None, None),
        ("", None),
        ("  ", None),
        ("\u200b \ufeff", None),
        (2**70, str(2**70)),
    ],
)
def test_ids_are_texts(value, text: str | None):
    assert limits.id_text(value) == text


@pytest.mark.parametrize("value", [True, 1.5, float("nan"), float("inf"), [], {}, ["x"]])
def test_what_is_no_id(value):
    with pytest.raises(Rejected):
        limits.id_text(value)


@pytest.mark.parametrize("value", [None, "", " ", "\u200b", 5, [], "[Amplitude] Start Session", "[Amplitude] Revenue"])
def test_event_types_that_cannot_be(value):
    assert limits.event_type_problem(value)


def test_event_types_that_can_be():
    assert limits.event_type_problem("x" * 1500) == limits.event_type_problem("Play") == ""


@pytest.mark.parametrize(
    ("value", "number", "whole"),
    [
        *((3, 3, 3), (3.0, 3.0, 3), ("3", 3, 3), (" -4 ", -4, -4), ("3.5", 3.5, None), (3.5, 3.5, None)),
        *(("1e3", 1000.0, 1000), (1e300, 1e300, None)),
        *((True, None, None), ("x", None, None), ("", None, None), (None, None, None), ([], None, None)),
        *(("12,50 EUR", 12.5, None), ("EUR 1.234,00", 1234.0, 1234), ("$1,234.50", 1234.5, None), ("-3,5", -3.5, None)),
        *(
            ("1 234 567", 1234567.0, 1234567),
            ("1.234.567,8", 1234567.8, None),
            ("€ 7", 7.0, 7),
            ("1'000", 1000.0, 1000),
        ),
        *(("1,234", None, None), ("12,5,0", None, None), ("1.23.456,7", None, None), ("EUR", None, None)),
        *(("12 EUR 5", None, None), (float("nan"), None, None), ("inf", None, None)),
        *((10**400, None, None), ("9" * 5000, None, None)),
    ],
)
def test_numbers(value, number, whole):
    changes: list[str] = []
    assert coerce.number(value, changes.append) == number
    assert bool(changes) is (number is None)
    assert coerce.whole_number(value, lambda _: None) == whole


def test_groups():
    changes: list[str] = []
    assert coerce.group_values({"org": "acme", "team": ["a", 7, None, ""], "": "x", "no": None}, changes.append) == {
        "org": "acme",
        "team": ["a", "7"],
    }
    assert changes == []
    six = coerce.group_values({f"type{n}": "v" for n in range(6)}, changes.append)
    assert len(six) == 5
    many = coerce.group_values({"a": list(range(8)), "b": list(range(8))}, changes.append)
    assert [len(values) for values in many.values()] == [8, 2]
    assert changes == [coerce.TOO_MANY_GROUPS] * 2


@given(st.dictionaries(TEXTS, SCALARS | st.lists(SCALARS)))
def test_any_groups(groups: dict[str, Any]):
    kept = coerce.group_values(groups, lambda _: None)
    values = [value if isinstance(value, list) else [value] for value in kept.values()]
    assert len(kept) <= 5
    assert sum(map(len, values)) <= 10
    json.dumps(kept).encode()
    assert all(isinstance(text, str) and 0 < len(text) <= 1024 for one in values for text in one)
