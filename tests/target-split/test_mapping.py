"""What a stream becomes, by its columns and by `mappings`."""

from __future__ import annotations

import json
from typing import Any

import pytest

from support.amplitude import EVENT_SCHEMA, MEMBER_SCHEMA, START_MS, event, member
from support.event_options import event_options
from target_split.common.record_paths import MappingError
from target_split.events.event import NOT_A_NUMBER, NOT_UNICODE, TOO_LARGE, EventMaker, InvalidEventError
from target_split.mapping.events import DEFAULT_PROPERTIES, event_mapping
from target_split.mapping.segments import segment_mapping
from target_split.mapping.sources import Defaults
from target_split.mapping.stream_kind import given_for, kind_of
from target_split.settings.checks import check_mappings

COHORT_SCHEMA: dict[str, Any] = {"properties": {name: {} for name in ("id", "name", "size", "lastComputed")}}
ORDERS = {
    "properties": {
        "id": {"type": "integer"},
        "customer": {"type": "object", "properties": {"id": {}, "email": {}}},
        "placed_at": {"type": "string"},
        "status": {"type": "string"},
        "total": {"type": "string"},
        "kind": {"type": "string"},
    }
}
ORDER = {
    "id": 7,
    "customer": {"id": 42, "email": "ann@example.com"},
    "placed_at": "2026-03-14T10:26:53.589+01:00",
    "status": "paid",
    "total": "41.90",
    "kind": "account",
}
ORDER_MAPPING = {"event_type": "Order Paid", "key": "customer.id", "time": "placed_at"}


def defaults(**changes: Any) -> Defaults:
    settings = {
        "key": ["user_id"],
        "traffic_type": "user",
        "traffic_types": {},
        "properties": DEFAULT_PROPERTIES,
        "value": None,
        "segment_name": "amp_{cohort_name}",
    }
    return Defaults(**(settings | changes))


def made(
    record: dict[str, Any],
    given: dict[str, Any] | None = None,
    schema: dict[str, Any] = EVENT_SCHEMA,
    notes: list[str] | None = None,
    **changes: Any,
) -> dict[str, Any] | None:
    """The event that a record becomes."""
    options = event_options(defaults(**changes), environment=None, destination=None)
    mapping = event_mapping(schema, given or {}, options.defaults)
    event = EventMaker(mapping, options, (notes if notes is not None else []).append).make(record)
    return None if event is None else json.loads(event[0])


def refused(record: dict[str, Any], **changes: Any) -> str:
    with pytest.raises(InvalidEventError) as error:
        made(record, **changes)
    return str(error.value)


# What a stream is


@pytest.mark.parametrize(
    ("schema", "given", "kind"),
    [
        (EVENT_SCHEMA, {}, "event"),
        (MEMBER_SCHEMA, {}, "segment"),
        (COHORT_SCHEMA, {}, "cohort"),
        (ORDERS, ORDER_MAPPING, "event"),
        (ORDERS, {"segment": "status", "key": "customer.id"}, "segment"),
        (MEMBER_SCHEMA, {"filter": {"user_id": ["a*"]}}, "segment"),
        (MEMBER_SCHEMA, {"load_as": "event", "event_type": "Joined", "time": "joined"}, "event"),
    ],
)
def test_kinds(schema: dict[str, Any], given: dict[str, Any], kind: str):
    assert kind_of(schema, given) == kind


def test_a_stream_that_nobody_knows_is_one_clear_error():
    with pytest.raises(MappingError, match="'mappings'"):
        kind_of(ORDERS, {})


def test_the_first_glob_that_fits_wins():
    mappings = {"orders_*": {"event_type": "a"}, "*": {"event_type": "b"}}
    assert given_for("orders_eu", mappings) == {"event_type": "a"}
    assert given_for("refunds", mappings) == {"event_type": "b"}


# Keys


def test_the_first_key_there_is_and_its_traffic_type():
    ways = {"key": ["user_id", "device_id"], "traffic_types": {"user_id": "User", "device_id": "anonymous"}}
    assert [made(event(), **ways)[name] for name in ("key", "trafficTypeName")] == ["user-0000", "user"]
    for nobody in (None, "", "  "):
        anonymous = made(event(user_id=nobody), **ways)
        assert [anonymous[name] for name in ("key", "trafficTypeName")] == ["device-0000", "anonymous"]
    assert made(event(user_id=None, device_id=None), **ways) is None


def test_a_path_without_a_traffic_type_of_its_own_has_the_common_one():
    ways = {"key": ["user_id", "device_id"], "traffic_types": {"device_id": "anonymous"}, "traffic_type": "customer"}
    assert made(event(), **ways)["trafficTypeName"] == "customer"


def test_a_null_key_is_never_text():
    assert made(event(user_id=None)) is None


def test_a_long_key_is_refused():
    assert made(event(user_id="k" * 250))["key"] == "k" * 250
    assert refused(event(user_id="k" * 251)) == "a key over 250 characters"


def test_a_key_path_that_another_stream_has_is_ignored():
    assert made(event(), key=["account.id", "user_id"], schema={**EVENT_SCHEMA, "additionalProperties": False})
    with pytest.raises(MappingError, match=r"'key'.*no column 'acount'"):
        made(ORDER, {k: ORDER_MAPPING[k] for k in ("event_type", "time")}, ORDERS, key=["acount", "user_id"])


# Times


@pytest.mark.parametrize(
    "time",
    [
        "2026-03-14 09:26:53.589000",
        "2026-03-14T09:26:53.589Z",
        START_MS,
        START_MS / 1000,
        str(START_MS),
        START_MS * 1000,
    ],
)
def test_times_are_exact(time: Any):
    assert made(event(event_time=time))["timestamp"] == START_MS


def test_a_time_in_seconds():
    assert made(event(event_time=1773480413))["timestamp"] == 1773480413000


@pytest.mark.parametrize(
    ("time", "reason"),
    [
        (None, "no time"),
        ("", "no time"),
        ("yesterday", "a time that cannot be read"),
        ({}, "a time that cannot be read"),
        ("1969-12-31T23:59:59Z", "a time before 1970"),
    ],
)
def test_times_that_are_none(time: Any, reason: str):
    assert refused(event(event_time=time)) == reason


# Event types


@pytest.mark.parametrize("event_type", [None, "", "   "])
def test_an_event_without_a_type_is_refused(event_type: Any):
    assert refused(event(event_type=event_type)) == "no event type"


# Values


def test_values_come_from_a_nested_path_as_number_or_text():
    path = "event_properties.cart.total"
    assert made(event(), value=path)["value"] == 41.9
    assert made(event(event_properties={"cart": {"total": "41.90"}}), value=path)["value"] == 41.9
    assert made(event(event_properties={"cart": {"total": 0}}), value=path)["value"] == 0


def test_a_value_that_is_not_a_number_is_counted():
    notes: list[str] = []
    sent = made(event(event_properties={"cart": {"total": "free"}}), notes=notes, value="event_properties.cart.total")
    assert "value" not in sent
    assert notes == [NOT_A_NUMBER]
    assert "value" not in made(event(event_properties={}), notes=notes, value="event_properties.cart.total")
    assert notes == [NOT_A_NUMBER]


# Properties


def test_nested_nulls_and_empty_objects_give_no_properties():
    assert "properties" not in made(
        {**event(), "event_properties": {"a": {"b": None}}, **dict.fromkeys(("platform", "country", "version_name"))}
    )


def test_properties_over_32_kilobytes_are_left_out_from_the_end():
    notes: list[str] = []
    sent = made(event(event_properties={f"p{n:03}": "é" * 256 for n in range(200)}), notes=notes)
    size = sum(len(name.encode()) + len(value.encode()) for name, value in sent["properties"].items())
    assert 31_000 < size <= 32_768 - 1_024
    assert "event_properties.p000" in sent["properties"]
    assert notes == [TOO_LARGE]


def test_texts_that_are_not_unicode_are_made_well_formed():
    notes: list[str] = []
    sent = made(event(user_id="u\ud83d\ude00", event_properties={"x\udfff": "\ud83d\ude00"}), notes=notes)
    assert sent["key"] == "u😀"
    assert sent["properties"]["event_properties.x�"] == "😀"
    assert notes == [NOT_UNICODE]


@pytest.mark.parametrize("key", ["u\ud800", "\udfffu", "u\ufffd"])
def test_a_key_that_is_not_unicode_is_refused(key: str):
    with pytest.raises(InvalidEventError, match="a key that is not valid Unicode"):
        made(event(user_id=key))


# Mappings


def test_any_stream_by_a_mapping():
    given = ORDER_MAPPING | {
        "traffic_type": {"field": "kind"},
        "value": "total",
        "properties": ["status", "customer.*"],
    }
    assert made(ORDER, given, ORDERS) == {
        "eventTypeId": "amp.Order_Paid",
        "trafficTypeName": "account",
        "key": "42",
        "timestamp": START_MS,
        "value": 41.9,
        "properties": {"status": "paid", "customer.id": 42, "customer.email": "ann@example.com"},
    }


def test_event_type_from_a_field_and_a_literal_key():
    given = ORDER_MAPPING | {"event_type": {"field": "status"}, "key": {"value": "all"}}
    sent = made(ORDER, given, ORDERS)
    assert (sent["eventTypeId"], sent["key"]) == ("amp.paid", "all")


def test_a_mapping_of_a_known_stream_changes_only_what_it_says():
    sent = made(event(), {"value": "event_properties.cart.total", "properties": ["platform"]})
    assert sent == {
        "eventTypeId": "amp.Amplitude_Page_Viewed",
        "trafficTypeName": "user",
        "key": "user-0000",
        "timestamp": START_MS,
        "value": 41.9,
        "properties": {"platform": "iOS"},
    }


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"evnt_type": "x"}, "'evnt_type' is not a member of a mapping. Did you mean 'event_type'"),
        ({"time": "placedat"}, "time: there is no column 'placedat'. Did you mean 'placed_at'"),
        ({"key": "customer.idd"}, "key: there is no column 'idd'. Did you mean 'id'"),
        ({"key": 7}, "key: 7 is not a source"),
        ({"event_type": 7}, "must be a text, or"),
        ({"event_type": {"field": "stat"}}, "no column 'stat'. Did you mean 'status'"),
        ({"traffic_type": {"field": "knd"}}, "no column 'knd'. Did you mean 'kind'"),
        ({"value": "totl"}, "value: there is no column 'totl'. Did you mean 'total'"),
        ({"event_id": "idd"}, "event_id: there is no column 'idd'"),
        ({"properties": "status"}, "'properties' must be a list"),
        ({"properties": ["statu"]}, "no column 'statu'. Did you mean 'status'"),
        ({"filter": {"statu": ["paid"]}}, "no column 'statu'. Did you mean 'status'"),
        ({"filter": ["paid"]}, "'filter' must be an object"),
        ({"segment": "status"}, "'segment' is not a member"),
    ],
)
def test_mappings_that_cannot_be_meant(change: dict[str, Any], said: str):
    with pytest.raises(MappingError) as error:
        event_mapping(ORDERS, ORDER_MAPPING | change, defaults())
    assert said in str(error.value)


@pytest.mark.parametrize("missing", ["event_type", "time"])
def test_what_a_foreign_stream_must_say(missing: str):
    with pytest.raises(MappingError, match=f"'{missing}' is missing"):
        event_mapping(ORDERS, {k: v for k, v in ORDER_MAPPING.items() if k != missing}, defaults())


def test_members_are_checked_before_any_stream_comes():
    with pytest.raises(MappingError, match=r"'mappings', 'orders': 'tim' is not a member.*'time'"):
        check_mappings({"orders": {"tim": "placed_at"}})
    with pytest.raises(MappingError, match="'load_as' must be"):
        check_mappings({"orders": {"load_as": "audience"}})


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"key": 7}, "key: 7 is not a source"),
        ({"key": "customer..id"}, "key: 'customer..id' is not a path"),
        ({"time": {"field": "at"}}, "time: {'field': 'at'} is not a source"),
        ({"properties": "status"}, "'properties' must be a list"),
        ({"filter": {"status": "paid"}}, "filter 'status' must be a list"),
        ({"traffic_types": ["user"]}, "'traffic_types' must be an object"),
        ({"segment": "tier", "event_type": "x"}, "'event_type' is not a member"),
        ({"segment": 3}, "segment: 3 is not a source"),
    ],
)
def test_what_cannot_be_meant_of_any_stream_is_said_at_the_start(given: dict[str, Any], said: str):
    with pytest.raises(MappingError) as error:
        check_mappings({"orders_*": given})
    assert str(error.value).startswith(f"Setting 'mappings', 'orders_*': {said}")


def test_mappings_that_need_only_their_streams():
    check_mappings({"a": {}, "b": {"key": ["x", "y"]}, "c": {"segment": "tier"}, "d": {"load_as": "segment"}})


def test_filters():
    accepts = event_mapping(ORDERS, ORDER_MAPPING | {"filter": {"status": ["pa*"], "id": [7, 8]}}, defaults()).accepts
    assert accepts is not None
    assert accepts(ORDER)
    assert not accepts(ORDER | {"status": "open"})
    assert not accepts(ORDER | {"id": 9})


# Segments


def test_cohorts_are_named_by_the_template():
    mapping = segment_mapping(MEMBER_SCHEMA, {}, defaults(segment_name="amp_{cohort_name}_{cohort_id}"))
    name = mapping.name(member(1, cohort="ab1", name="Power users"))
    assert name.segment == "amp_Power_users_ab1"
    assert name.description.endswith("cohort id ab1")


def test_two_cohorts_whose_names_clean_to_one_stay_apart():
    mapping = segment_mapping(MEMBER_SCHEMA, {}, defaults())
    names = {mapping.name(member(1, name=name)).segment for name in ("Power users", "Power-users", "Power/users")}
    assert len(names) == 3


def test_a_template_with_a_column_that_is_not_there():
    with pytest.raises(MappingError, match=r"no column 'cohort_nam'.*Did you mean 'cohort_name'"):
        segment_mapping(MEMBER_SCHEMA, {}, defaults(segment_name="{cohort_nam}"))


def test_segments_of_any_stream():
    mapping = segment_mapping(ORDERS, {"segment": "status", "key": "customer.id"}, defaults())
    assert mapping.name(ORDER).segment == "paid"
    assert mapping.key(ORDER) == ("42", "user")
    assert mapping.size is None


def test_a_mapped_segment_must_be_named():
    with pytest.raises(MappingError, match="'segment' is missing"):
        segment_mapping(ORDERS, {"load_as": "segment", "key": "customer.id"}, defaults())
