"""Reading only the needed columns never lets pass what the schema refuses of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jsonschema_rs
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from target_split.common.target.columns import JSON_TYPES, RowDecoder, column_types, row_type


def decoder(
    schema: dict[str, Any], columns: list[str], keys: list[str]
) -> Callable[[bytes], dict[str, Any] | None] | None:
    types = column_types(schema, columns, keys)
    return None if types is None else RowDecoder(row_type(types)).line


VALUES = (
    st.none()
    | st.booleans()
    | st.integers(-(2**40), 2**40)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=3)
    | st.lists(st.integers(0, 9), max_size=2)
    | st.dictionaries(st.sampled_from("xy"), st.integers(0, 9), max_size=2)
)
TYPES = st.lists(st.sampled_from(sorted(JSON_TYPES)), min_size=1, max_size=3, unique=True)


@given(st.dictionaries(st.sampled_from("abc"), TYPES), st.dictionaries(st.sampled_from("abcd"), VALUES))
def test_what_is_taken_fits_the_schema_and_is_the_same(types: dict[str, list[str]], record: dict[str, Any]):
    properties = {name: {"type": some} for name, some in types.items()}
    schema = {"type": "object", "properties": properties, "required": ["a"]}
    decode = decoder(schema, ["a", "b", "c"], ["a"])
    assert decode is not None
    line = msgspec.json.encode(record)
    taken = decode(line)
    if taken is None:
        return
    assert jsonschema_rs.is_valid(schema, record)
    assert taken == {name: value for name, value in msgspec.json.decode(line).items() if name in "abc"}
    assert [type(value) for value in taken.values()] == [type(record[name]) for name in taken]


def test_a_usual_record_is_taken():
    schema = {"properties": {"id": {"type": "string"}, "at": {"type": ["string", "null"], "format": "date-time"}}}
    decode = decoder(schema, ["at"], ["id"])
    assert decode is not None
    assert decode(b'{"id": "1", "at": null, "more": [1, 2]}') == {"id": "1", "at": None}


@pytest.mark.parametrize(
    "rule",
    [
        {"enum": ["a"]},
        {"type": "string", "maxLength": 3},
        {"type": "array", "items": {"type": "string"}},
        {"anyOf": []},
    ],
)
def test_rules_beyond_types_are_left_to_the_validator(rule: dict[str, Any]):
    assert decoder({"properties": {"a": rule, "b": {}}}, ["a"], []) is None
    assert decoder({"properties": {"a": rule, "b": {}}}, ["b"], []) is not None


def test_a_closed_record_is_left_to_the_validator():
    assert decoder({"properties": {"a": {}}, "additionalProperties": False}, ["a"], []) is None
