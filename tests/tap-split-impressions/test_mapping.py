"""Stream maps, flattening and selected columns change records exactly as the SDK's own way does."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from singer_sdk.helpers._flattening import FlatteningOptions, flatten_record
from singer_sdk.mapper import SameRecordTransform

from support.receiver import Run, posted
from tap_split_impressions.impressions.record import Impression
from tap_split_impressions.streams.impressions import ImpressionsStream
from tap_split_impressions.streams.mapping import Flattener
from tap_split_impressions.tap import TapSplitImpressions

values = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text("aB_-. ", max_size=4), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text("aB_-. ", max_size=4), values, max_size=4), st.integers(1, 3))
def test_flattening_is_that_of_the_sdk(properties: dict[str, Any], levels: int) -> None:
    options = FlatteningOptions(enabled=True, max_level=levels)
    one = SameRecordTransform("impressions", ImpressionsStream.schema, ("impression_id",), options)
    record = dict.fromkeys(Impression.__struct_fields__) | {"properties": properties, "attributes": {"a": properties}}
    expected = flatten_record(record, one.transformed_schema, levels)
    assert json.dumps(Flattener(one).flatten(record)) == json.dumps(expected)


@pytest.mark.parametrize(
    "settings",
    [
        {"stream_maps": {"impressions": {"key": "md5(key)", "machine_ip": None, "flag": "split + '!'"}}},
        {"stream_maps": {"impressions": {"__filter__": "treatment == 'on'", "__alias__": "flags"}}},
        {"flattening_enabled": True, "flattening_max_depth": 2},
        {"flattening_enabled": True, "flattening_max_depth": 1, "stream_maps": {"impressions": {"label": None}}},
    ],
)
def test_the_records_are_those_of_the_sdk(settings: dict[str, Any], folder: Path, run: Run) -> None:
    items = [posted(1, properties='{"a":{"b":[1]}}'), posted(2, treatment="off"), posted(3, properties={"c": None})]
    (folder / "a.jsonl").write_text("".join(json.dumps(item) + "\n" for item in items))
    ours = [message for message in run(**settings).messages if message["type"] == "RECORD"]
    tap = TapSplitImpressions(config={"path": str(folder), "settle_seconds": 0, **settings})
    stream = tap.streams["impressions"]
    expected = [
        {"stream": message.stream, "record": message.record}
        for record in stream.get_records(None)
        for message in stream._generate_record_messages(record)
    ]
    assert [{"stream": one["stream"], "record": one["record"]} for one in ours] == expected
    assert expected
