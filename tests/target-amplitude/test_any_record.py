"""Whatever a record holds, what is made of it can be sent."""

from __future__ import annotations

import contextlib
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from target_amplitude.api.coerce import clean_properties
from target_amplitude.api.endpoints import events_route
from target_amplitude.api.outcomes import Rejected, Skipped
from target_amplitude.delivery.router import as_sent
from target_amplitude.mapping.grammar import LOAD_AS, LoadSettings
from target_amplitude.payloads.event import EventReader
from target_amplitude.payloads.identification import identification_reader
from target_amplitude.payloads.plan import StreamPlan

ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=5)
    | st.sampled_from(["$set", "1e3", "u", "\ud800"]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3) | st.just("\udfff"), inner, max_size=3)
    ),
    max_leaves=5,
)
BATCH = events_route("k", "batch", 1)
IMPRESSION_COLUMNS = ("key", "split", "treatment", "time", "properties", "traffic_type", "label", "impression_id")
NATIVE_COLUMNS = ("user_id", "device_id", "event_type", "time", "insert_id", "event_properties", "user_properties")
NATIVE_COLUMNS += ("group_properties", "groups", "price", "quantity", "platform", "plan", "$skip_user_properties_sync")
OPERATIONS_MAPPING = {
    "event_type": {"field": "event_type"},
    "time": ["time", "user_properties.time"],
    "groups": {"org": "groups", "team": "plan"},
    "group_properties": {"include": ["price"]},
    "operations": {"$add": {"n": "quantity"}, "$append": {"seen": "event_properties.a"}, "$unset": ["gone"]},
}


USUAL = {"key": "ada", "user_id": "ada", "time": 1773480413589, "event_type": "e", "split": "f", "treatment": "on"}
USUAL |= {"user_properties": {"plan": "pro"}, "event_properties": {"flag_key": "f", "variant": "on"}, "groups": "org 1"}
USUAL |= {"plan": "team 1", "price": 5, "quantity": 2}
every_way = pytest.mark.parametrize("load_as", LOAD_AS)
every_stream = pytest.mark.parametrize(
    ("columns", "mapping"),
    [(IMPRESSION_COLUMNS, None), (NATIVE_COLUMNS, None), (NATIVE_COLUMNS, OPERATIONS_MAPPING)],
    ids=["impressions", "native", "mapped"],
)


def sent(load_as: str, columns: tuple[str, ...], mapping: Any, record: dict[str, Any]) -> list[dict[str, Any]]:
    """What is sent of a record whose stream does not say what its columns hold."""
    schema = {"properties": {column: {} for column in columns}}
    settings = LoadSettings(load_as=load_as, dedupe="day", mappings={"s": mapping} if mapping else {})
    plan = StreamPlan("s", schema, [], settings, lambda _: None)
    if load_as == "identify":
        return [as_sent(one, BATCH) for one in identification_reader(plan).read(record)]
    return [clean_properties(EventReader(plan).read(record), lambda _: None, depth=0)]  # its encoding tells the rest


def assert_can_be_sent(one: dict[str, Any]) -> None:
    msgspec.json.encode(one)
    assert one == clean_properties(one, lambda _: None, depth=0)
    objects = one.keys() & {"event_properties", "user_properties", "group_properties", "groups", "plan"}
    assert all(isinstance(one[name], dict) for name in objects)


@every_way
@every_stream
def test_a_usual_record_is_made(load_as: str, columns, mapping):
    made = sent(load_as, columns, mapping, {name: value for name, value in USUAL.items() if name in columns})
    assert made
    for one in made:
        assert_can_be_sent(one)


@every_way
@every_stream
@given(st.data())
def test_whatever_a_record_holds_it_is_made_rejected_or_skipped(load_as: str, columns, mapping, data):
    """Validation can be turned off."""
    usual = {name: value for name, value in USUAL.items() if name in columns and data.draw(st.booleans())}
    record = data.draw(st.fixed_dictionaries({}, optional=dict.fromkeys(columns, ANYTHING))) | usual
    with contextlib.suppress(Skipped, Rejected):
        for one in sent(load_as, columns, mapping, record):
            assert_can_be_sent(one)
