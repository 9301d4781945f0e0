"""Keys, values and properties within Split's limits."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from target_split.api.limits import (
    MAX_PROPERTIES_BYTES,
    MAX_PROPERTY_LENGTH,
    InvalidKeyError,
    clean_key,
    key_problem,
    number,
    properties_bytes,
    trimmed,
)
from target_split.mapping.events import DEFAULT_PROPERTIES
from target_split.mapping.flattening import NOT_FINITE, TOO_DEEP, TRUNCATED
from target_split.mapping.properties import TOO_MANY, Selection

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=300),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=20,
)


@pytest.mark.parametrize(
    ("value", "key"),
    [
        ("u1", "u1"),
        ("  u1\n", "u1"),
        ("   ", None),
        ("", None),
        (None, None),
        (7, "7"),
        (2**70, str(2**70)),
        (7.0, "7"),
        ("u\ud83d\ude00", "u😀"),
        ("u\ud83d", "u\ufffd"),
    ],
)
def test_keys(value: Any, key: str | None):
    assert clean_key(value) == key


@pytest.mark.parametrize("value", [7.5, math.nan, math.inf, 1e17, True, {"id": 1}, ["u1"]])
def test_what_is_no_key_is_not_a_missing_one(value: Any):
    with pytest.raises(InvalidKeyError, match="neither text nor a whole number"):
        clean_key(value)


def test_keys_that_a_spreadsheet_shortened():
    keys = ["1.23457E+15", "1,2E+12", "12E5", "u1"]
    problem = "a key in scientific notation that has lost its last digits"
    assert [key_problem(key) for key in keys] == [problem, problem, None, None]


@pytest.mark.parametrize(
    ("entries", "expected"),
    [
        (["event_properties.*"], {"event_properties.plan": "gold", "event_properties.cart.total": 2}),
        (["event_properties.p*"], {"event_properties.plan": "gold"}),
        (["event_properties.cart.total"], {"event_properties.cart.total": 2}),
    ],
)
def test_properties_in_an_object_written_as_json_text(entries: list[str], expected: dict[str, Any]):
    record = {"event_properties": '{"plan": "gold", "cart": {"total": 2}}'}
    assert Selection(entries, lambda _: None).select(record) == expected
    assert Selection(entries, lambda _: None).select({"event_properties": "no JSON"}) == {}


@pytest.mark.parametrize(
    ("value", "result"),
    [
        (41.9, 41.9),
        (3, 3),
        ("3", 3),
        (" 41.90 ", 41.9),
        ("1e3", 1000.0),
        (-0.5, -0.5),
        (True, None),
        ("41,90", 41.9),
        ("€1.234,50", 1234.5),
        ("1,234", None),
        ("1_000", None),
        ("free", None),
        ("", None),
        (None, None),
        (math.inf, None),
        ("nan", None),
        (2**70, None),
        ([1], None),
    ],
)
def test_values(value: Any, result: float | None):
    assert number(value) == result


def select(record: dict[str, Any], *entries: str, join: bool = False) -> tuple[dict[str, Any], list[str]]:
    notes: list[str] = []
    return Selection(entries or ["*"], notes.append, join_arrays=join).select(record), sorted(notes)


def test_flattening_keeps_types_and_leaves_out_nulls():
    record = {"a": {"b": {"c": 1}, "d": None, "e": "x", "f": False, "g": {}}, "h": 2.5}
    assert select(record) == ({"a.b.c": 1, "a.e": "x", "a.f": False, "h": 2.5}, [])
    assert type(select({"f": True})[0]["f"]) is bool


def test_paths_and_globs():
    record = {"event_properties": {"cart": {"total": 1, "tax": 2}, "path": "/"}, "country": "JP", "city": "Kōbe"}
    assert select(record, "event_properties.cart")[0] == {
        "event_properties.cart.total": 1,
        "event_properties.cart.tax": 2,
    }
    assert select(record, "*.t*", "c*")[0] == {
        "event_properties.cart.total": 1,
        "event_properties.cart.tax": 2,
        "country": "JP",
        "city": "Kōbe",
    }
    assert list(select(record, "city", "event_properties.path", "nothing")[0]) == ["city", "event_properties.path"]


def test_a_part_that_holds_a_dot_or_a_bracket_is_quoted():
    record = {"user_properties": {"[Experiment] checkout.new": "on"}}
    assert select(record, 'user_properties."[Experiment] checkout.new"')[0] == {
        "user_properties.[Experiment] checkout.new": "on"
    }


def test_of_two_parts_with_one_name_the_first_wins():
    record = {"p": {"a.b": 1, "a": {"b": 2}}}
    assert select(record)[0] == {"p.a.b": 1}
    assert select(record, "p.a", "p.*")[0] == {"p.a.b": 2}


def test_arrays():
    record = {"tags": ["été", 1, None, {"x": [True]}], "empty": []}
    assert select(record)[0] == {"tags": '["été",1,null,{"x":[true]}]', "empty": "[]"}
    assert select(record, join=True)[0] == {"tags": 'été,1,{"x":[true]}', "empty": ""}


def test_long_texts_are_cut():
    properties, notes = select({"long": "é" * 10_000_000, "list": ["x" * 300], "fits": "é" * MAX_PROPERTY_LENGTH})
    assert {name: len(value) for name, value in properties.items()} == {"long": 256, "list": 256, "fits": 256}
    assert notes == [TRUNCATED]


def test_five_hundred_properties():
    properties, notes = select({"event_properties": {f"p{n:03}": n for n in range(500)}})
    assert list(properties) == [f"event_properties.p{n:03}" for n in range(300)]
    assert notes == [TOO_MANY]


def test_numbers_beyond_those_of_split():
    properties, notes = select({"big": 2**63, "long": 2**63 - 1, "nan": math.nan, "infinite": -math.inf})
    assert properties == {"big": str(2**63), "long": 2**63 - 1}
    assert notes == [NOT_FINITE]


def test_objects_nested_without_end_become_text():
    deep: dict[str, Any] = {"leaf": 1}
    for _ in range(400):
        deep = {"d": deep}
    properties, _ = select(deep)
    assert len(properties) == 1
    assert all(isinstance(value, str) for value in properties.values())


def test_a_value_nested_too_deeply_for_text_is_left_out():
    deep: Any = "leaf"
    for _ in range(200_000):
        deep = [deep]
    properties, notes = select({"deep": deep, "good": 1})
    assert properties == {"good": 1}
    assert notes == [TOO_DEEP]


def test_the_default_set_leaves_out_who_and_where_exactly():
    people = {"user_id", "device_id", "ip_address", "location_lat", "location_lng", "user_properties", "idfa", "adid"}
    assert not people & {entry.split(".")[0] for entry in DEFAULT_PROPERTIES}


@given(st.dictionaries(st.text(max_size=10), JSON, max_size=8), st.booleans())
def test_whatever_comes_is_scalar_and_within_limits(record: dict[str, Any], join: bool):
    properties, _ = select(record, join=join)
    assert len(properties) <= 300
    for value in properties.values():
        assert isinstance(value, (str, int, float, bool))
        assert not isinstance(value, str) or len(value) <= 256
    json.dumps(properties, allow_nan=False)


@given(st.dictionaries(st.text(max_size=300), st.text(max_size=256) | st.integers(), max_size=300))
def test_trimming_keeps_order_and_size(properties: dict[str, Any]):
    kept = trimmed(properties)
    assert properties_bytes(kept) <= MAX_PROPERTIES_BYTES
    assert [name for name in properties if name in kept] == list(kept)
    if properties_bytes(properties) <= MAX_PROPERTIES_BYTES:
        assert kept == properties
