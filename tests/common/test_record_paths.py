"""Paths, sources, globs and filters: the words of `mappings`."""

from __future__ import annotations

from typing import Any, ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from target_amplitude.common.record_paths import (
    MappingError,
    check_members,
    check_path,
    field_or_literal,
    filter_test,
    first_match,
    getter,
    glob_matcher,
    is_empty,
    parse_path,
    source_getter,
)

PARTS = st.lists(st.text(min_size=1), min_size=1, max_size=5)


def written(part: str) -> str:
    """A part as it must be written."""
    if any(sign in part for sign in '."\\'):
        return '"' + part.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return part


@given(PARTS)
def test_every_path_can_be_written_and_read(parts: list[str]):
    assert parse_path(".".join(map(written, parts))) == tuple(parts)


@given(PARTS, st.one_of(st.integers(), st.text(), st.none(), st.dictionaries(st.text(), st.integers())))
def test_a_path_reaches_what_lies_there(parts: list[str], value: Any):
    record: Any = value
    for part in reversed(parts):
        record = {part: record, "": "beside"} if part else {part: record}
    assert getter(tuple(parts))(record) == value
    assert getter((*parts, "further", "on"))(record) is None or isinstance(value, dict)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"a": {"b": 1}}, 1),
        ('{"a": {"b": 1}}', 1),
        ({"a": ' {"b": 1}\n'}, 1),
        ('{"a": "{\\"b\\": 1}"}', 1),
        ({"a": '{"b": NaN}'}, None),
        ("[1]", None),
        ("{a: 1", None),
        ("text", None),
        (5, None),
    ],
)
def test_a_path_reaches_into_json_text(value: Any, expected: Any):
    assert getter(("column", "a", "b"))({"column": value}) == expected


@pytest.mark.parametrize(
    ("schema", "is_possible"),
    [
        ({"type": ["object", "null"]}, True),
        ({"type": ["string", "null"]}, True),
        ({}, True),
        ({"type": ["string", "null"], "format": "date-time"}, False),
        ({"type": "integer"}, False),
        ({"type": ["array", "null"]}, False),
    ],
)
def test_a_path_into_a_column(schema: dict[str, Any], is_possible: bool):
    columns = {"type": "object", "properties": {"meta": schema}}
    if is_possible:
        check_path(("meta", "plan"), columns)
    else:
        with pytest.raises(MappingError, match="column 'meta' is not an object: there is no 'plan' inside"):
            check_path(("meta", "plan"), columns)


@given(st.text())
def test_any_text_is_a_path_or_an_error(text: str):
    try:
        assert all(parse_path(text))
    except MappingError as error:
        assert text in str(error)


@pytest.mark.parametrize("text", ["", ".", "a.", ".a", "a..b", '"a', 'a."b', '"a"b', 'a"b"', '""'])
def test_what_is_no_path(text: str):
    with pytest.raises(MappingError):
        parse_path(text)


def test_nothing_is_found_behind_what_is_no_object():
    get = getter(("a", "b"))
    assert [get({"a": value}) for value in (None, 1, "b", ["b"], {})] == [None] * 5
    assert get({}) is None


def test_a_list_of_paths_gives_the_first_that_is_not_empty():
    get = source_getter(["a", "b.c", "d"])
    assert get({"a": " ", "b": {"c": None}, "d": 0}) == 0
    assert get({"a": None, "b": {"c": "x"}, "d": 1}) == "x"
    assert get({"a": False}) is False
    assert get({}) is None


def test_literals():
    assert source_getter({"value": [1]})({}) == [1]
    assert field_or_literal("Order Completed")({"Order Completed": "no"}) == "Order Completed"
    assert field_or_literal({"field": 'a."b.c"'})({"a": {"b.c": 7}}) == 7


@pytest.mark.parametrize("source", [None, 1, [], ["a", 1], {}, {"value": 1, "field": "a"}, {"field": "a"}, ["a", ""]])
def test_what_is_no_source(source):
    with pytest.raises(MappingError):
        source_getter(source)


@pytest.mark.parametrize("member", [None, 1, ["a"], {"value": "x"}, {"field": 1}, {"field": "a."}])
def test_what_is_neither_text_nor_field(member):
    with pytest.raises(MappingError):
        field_or_literal(member)


@pytest.mark.parametrize(
    ("value", "empty"), [(None, True), ("", True), (" \t", True), (0, False), ([], False), ("0", False)]
)
def test_what_counts_as_nothing(value, empty: bool):
    assert is_empty(value) is empty


def test_the_first_glob_that_fits_wins():
    entries = {"orders": 1, "ord*": 2, "*": 3}
    assert [first_match(name, entries) for name in ("orders", "order_lines", "users")] == [1, 2, 3]
    assert first_match("Orders", {"orders": 1}) is None


@given(st.lists(st.text(max_size=5)), st.text(max_size=5))
def test_globs_match_a_whole_text(globs: list[str], text: str):
    plain = [glob for glob in globs if not any(sign in glob for sign in "*?[")]
    assert glob_matcher(plain)(text) is (text in plain)


def test_filters():
    passes = filter_test({"country": ["D*", "FR", None], "cart.items": [1, True, 2.5]})
    assert passes({"country": "DE", "cart": {"items": 1}})
    assert passes({"country": None, "cart": {"items": True}})
    assert passes({"cart": {"items": 2.5}})
    assert not passes({"country": "AT", "cart": {"items": 1}})
    assert not passes({"country": "DE", "cart": {"items": "1"}})
    assert not passes({"country": "DE"})
    one = filter_test({"paid": [1]})
    assert not one({"paid": True})
    assert not one({"paid": 1.0})
    assert not one({"paid": [1]})
    assert filter_test({"tags": [["a", {}]]})({"tags": ["a", {}]})
    with pytest.raises(MappingError):
        filter_test({"country": "DE"})


def test_filters_that_exclude():
    passes = filter_test({"type": {"exclude": ["[Exp*", None]}, "plan": {"include": ["g*", 1], "exclude": ["gratis"]}})
    assert passes({"type": "Play", "plan": "gold"})
    assert passes({"type": 7, "plan": 1})
    assert not passes({"type": "[Experiment] Exposure", "plan": "gold"} | {"type": None})
    assert not passes({"type": "Play", "plan": "gratis"})
    assert not passes({"type": "Play"})
    assert not filter_test({"type": {"exclude": ["get_*"]}})({"type": "get_treatment"})


@pytest.mark.parametrize("condition", ["DE", {}, {"exclude": "DE"}, {"excluded": ["DE"]}, None, 5])
def test_malformed_filters_are_refused(condition: Any):
    with pytest.raises(MappingError, match="filter 'country' must be a list"):
        filter_test({"country": condition})


class TestAgainstTheSchema:
    SCHEMA: ClassVar[dict[str, Any]] = {
        "type": "object",
        "properties": {
            "customer_id": {"type": "string"},
            "cart": {"type": "object", "properties": {"total": {"type": "number"}}},
            "open": {"type": "object", "properties": {"a": {}}, "additionalProperties": True},
            "free": {"type": "object"},
            "maybe": {"type": ["null", "object"]},
            "count": {"type": ["integer", "null"]},
            "either": {"anyOf": [{"type": "object"}, {"type": "null"}]},
        },
    }

    @pytest.mark.parametrize("path", ["customer_id", "cart.total", "open.b.c", "free.x.y", "maybe.x", "either.x"])
    def test_what_can_be(self, path: str):
        check_path(parse_path(path), self.SCHEMA)

    @pytest.mark.parametrize(("path", "nearest"), [("custmer_id", "customer_id"), ("cart.totl", "total")])
    def test_what_cannot_be_names_the_nearest(self, path: str, nearest: str):
        with pytest.raises(MappingError, match=f"Did you mean '{nearest}'"):
            check_path(parse_path(path), self.SCHEMA)

    def test_nothing_lies_inside_a_number(self):
        with pytest.raises(MappingError, match="not an object"):
            check_path(("count", "x"), self.SCHEMA)

    def test_an_open_stream_can_have_anything(self):
        check_path(("x",), {})
        check_path(("x",), {"properties": {"a": {}}, "additionalProperties": {"type": "string"}})

    def test_columns_of_taps_need_not_be_listed(self):
        check_path(("_sdc_deleted_at",), self.SCHEMA)

    def test_members(self):
        check_members({"time": 1}, ["time"])
        with pytest.raises(MappingError, match="Did you mean 'time'"):
            check_members({"tme": 1}, ["time"])
