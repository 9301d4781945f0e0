"""Records are flattened as the SDK flattens them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from singer_sdk.helpers._flattening import FlatteningOptions
from singer_sdk.mapper import SameRecordTransform

from common import flattening
from common.flattening import Flattener

NAMES = st.sampled_from(["id", "a", "b", "a__b", "type", "Größe", "x" * 60, "camelCaseName" * 5, ""])
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4) | st.just("half \ud83d")
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(NAMES, inner, max_size=3), max_leaves=8
)
RECORDS = st.dictionaries(NAMES, VALUES, max_size=5)
OPEN = {"type": ["object", "null"]}
PROPERTIES: dict[str, Any] = {"id": {"type": "string"}, "a": {**OPEN, "properties": {"b": OPEN}}, "b": OPEN}


def map_of(most_levels: int, longest: int = 255, separator: str = "__") -> SameRecordTransform:
    options = FlatteningOptions(enabled=True, max_level=most_levels, separator=separator, max_key_length=longest)
    schema = {"type": "object", "properties": PROPERTIES}
    return SameRecordTransform(stream_alias="s", raw_schema=schema, key_properties=["id"], flattening_options=options)


@given(st.lists(RECORDS, max_size=3), st.integers(1, 3), st.sampled_from([20, 255]), st.sampled_from(["__", "."]))
@example([{"b": {"nan": float("nan")}, "a": {"b": {}, "c": []}}], 2, 255, "__")
def test_the_outcome_is_the_same(records: list[dict[str, Any]], most_levels: int, longest: int, separator: str):
    stream_map = map_of(most_levels, longest, separator)
    flattener = Flattener(stream_map)
    for record in records:
        assert repr(flattener.flatten(record)) == repr(stream_map.transform(record))


def test_objects_with_any_names_do_not_fill_memory(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(flattening, "MAX_NAMES", 3)
    stream_map = map_of(2)
    flattener = Flattener(stream_map)
    for number in range(20):
        record = {"a": {f"n{number}": {f"m{number}": 1}, "same": number}}
        assert flattener.flatten(record) == stream_map.transform(record)
    assert len(flattener._top.below("a").names) <= 3
