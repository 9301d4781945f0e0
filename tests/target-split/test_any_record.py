"""Whatever a record holds, it becomes an event that Split can take, or a reject with a reason."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from support.amplitude import event
from support.event_options import event_options
from target_split.api.limits import LARGEST_LONG, MAX_PROPERTY_LENGTH, SMALLEST_LONG
from target_split.common.target.services import Stream
from target_split.events.converter import Converter
from target_split.events.event import InvalidEventError
from target_split.mapping.events import DEFAULT_PROPERTIES
from target_split.mapping.sources import Defaults

COLUMNS = [*event(), "library", "language"]
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.sampled_from(["\ud800", "1e3"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)
MAPPED = {"key": ["user_id", "device_id"], "traffic_type": {"field": "platform"}, "value": "city", "event_id": "uuid"}


@pytest.mark.parametrize("mapping", [{}, MAPPED], ids=["known", "mapped"])
@pytest.mark.parametrize("properties", [list(DEFAULT_PROPERTIES), ["*"], ["event_properties", "user_*", "groups.a.b"]])
@given(changes=st.dictionaries(st.sampled_from(COLUMNS), ANYTHING, max_size=8))
@example(changes={"event_type": []})
def test_of_a_stream_that_does_not_say_what_its_columns_hold(
    mapping: dict[str, Any], properties: list[str], changes: dict[str, Any]
):
    schema = {"properties": {column: {} for column in COLUMNS}}
    defaults = Defaults(["user_id"], "user", {}, properties, None, "amp")
    options = event_options(defaults, join_arrays=True)
    convert = Converter(Stream("events", schema, ["uuid"]), mapping, options, str, str).convert
    try:
        made = convert(event() | changes)
    except InvalidEventError as error:
        assert str(error)
        return
    if made is None:
        return
    content, identity = made
    sent = msgspec.json.decode(content)
    assert len(identity or b"") == 16
    assert sent["key"].strip()
    assert isinstance(sent["timestamp"], int)
    for value in sent.get("properties", {}).values():
        assert not isinstance(value, str) or len(value) <= MAX_PROPERTY_LENGTH
        assert not isinstance(value, int) or SMALLEST_LONG <= value <= LARGEST_LONG
        assert isinstance(value, (str, int, float, bool))
