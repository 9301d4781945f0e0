"""What mapped records of any stream become; which mappings are refused."""

from __future__ import annotations

from typing import Any

import pytest

from support.plans import BASE, ORDER, event, plan
from target_amplitude.api.outcomes import Rejected, Skipped
from target_amplitude.common.errors import ConnectorError
from target_amplitude.common.record_paths import MappingError
from target_amplitude.mapping.grammar import check_mapping
from target_amplitude.payloads.event import EventReader
from target_amplitude.payloads.identification import identification_reader
from target_amplitude.payloads.insert_id import RecordInsertId


def test_the_usual_mapping():
    made = event(BASE)
    assert len(made.pop("insert_id")) == 32
    assert made == {
        "user_id": "4711",
        "event_type": "Order Completed",
        "time": 1773480413589,
        # everything that no other member reads
        "event_properties": {
            "id": 17,
            "visitor": ORDER["visitor"],
            "total": "41.90",
            "items": 3,
            "company": "acme",
            "country": "DE",
            "cart": ORDER["cart"],
        },
    }


def test_members_of_an_event():
    made = event(
        {
            **BASE,
            "event_type": "Order",
            "device_id": ["visitor.id", 'visitor."cookie.id"'],
            "event_properties": {"include": ["cart.coupon"], "rename": {"cart.coupon": "coupon"}},
            "user_properties": {"include": ["country"]},
            "groups": {"company": "company"},
            "revenue": "total",
            "quantity": "items",
            "product_id": {"value": "sku-1"},
            "country": "country",
            "platform": {"value": "Web"},
            "$skip_user_properties_sync": {"value": True},
            "insert_id": "id",
        }
    )
    assert made == {
        "user_id": "4711",
        "device_id": "c-1",
        "event_type": "Order",
        "time": 1773480413589,
        "event_properties": {"coupon": "A1"},
        "user_properties": {"country": "DE"},
        "groups": {"company": "acme"},
        "revenue": 41.9,
        "quantity": 3,
        "productId": "sku-1",
        "country": "DE",
        "platform": "Web",
        "$skip_user_properties_sync": True,
        "insert_id": "17",
    }


def test_operations_on_an_ordinary_event():
    mapping = {
        **BASE,
        "user_properties": {"include": ["country"]},
        "operations": {"$set": {"last order": "id"}, "$setOnce": {"first order": "id"}, "$add": {"spent": "total"}},
    }
    assert event(mapping)["user_properties"] == {
        "$set": {"country": "DE", "last order": 17},
        "$setOnce": {"first order": 17},
        "$add": {"spent": 41.9},
    }
    assert event(mapping, {**ORDER, "total": None, "country": None})["user_properties"].keys() == {"$set", "$setOnce"}


def test_records_without_their_key_are_told_apart_by_all_they_hold():
    insert_id = RecordInsertId("event", "orders", ["shop", "number"]).read
    rows: list[dict[str, Any]] = [
        {"shop": shop, "number": number, "total": total}
        for shop in (1, None)
        for number in (1, None)
        for total in (5, 6)
    ]
    rows.append({"shop": 1, "total": 5})
    assert len({insert_id(row, {}) for row in rows}) == 8  # the row with both keeps its id when its total changes


def test_insert_ids_come_from_stream_and_key():
    def insert_id(record: dict[str, Any] = ORDER, **options: Any) -> str:
        return event(BASE, record, **options)["insert_id"]

    assert insert_id() == insert_id({**ORDER, "country": "FR"})
    assert insert_id() != insert_id({**ORDER, "id": 18})
    assert insert_id() != insert_id({**ORDER, "id": "17"})
    assert insert_id() == insert_id({**ORDER, "id": 17.0})
    # without a key the whole record tells, however it is written
    assert insert_id(keys=()) == insert_id(dict(reversed(ORDER.items())), keys=())
    assert insert_id(keys=()) == insert_id({**ORDER, "items": 3.0}, keys=())
    assert insert_id(keys=()) != insert_id({**ORDER, "country": "FR"}, keys=())
    # two ways to load the same record must not take each other for repeats
    exposure = {
        **BASE,
        "event_properties": {"include": ["kind", "country"], "rename": {"kind": "flag_key", "country": "variant"}},
    }
    assert insert_id() != event(exposure, load_as="exposure")["insert_id"]


@pytest.mark.parametrize(
    ("change", "exception", "said"),
    [
        ({"customer_id": None}, Skipped, "no user or device id"),
        ({"customer_id": "  "}, Skipped, "no user or device id"),
        ({"customer_id": "null"}, Rejected, "forbids"),
        ({"customer_id": True}, Rejected, "neither text nor"),
        ({"created_at": None}, Rejected, "no time"),
        ({"created_at": "soon"}, Rejected, "cannot be read"),
        ({"created_at": "1969-12-31"}, Rejected, "before 1970"),
        ({"kind": ""}, Rejected, "no event type"),
        ({"kind": "[Amplitude] Revenue"}, Rejected, "reserves"),
    ],
)
def test_records_that_cannot_be_sent(change: dict[str, Any], exception: type, said: str):
    with pytest.raises(exception, match=said):
        event(BASE, {**ORDER, **change})


def test_one_valid_id_is_enough():
    mapping = {**BASE, "device_id": 'visitor."cookie.id"'}
    stream_plan, changes = plan(mapping)
    made = EventReader(stream_plan).read({**ORDER, "customer_id": "unknown"})
    assert "user_id" not in made
    assert made["device_id"] == "c-1"
    assert changes == ["an id that Amplitude forbids beside a valid one"]
    assert "device_id" not in EventReader(stream_plan).read({**ORDER, "visitor": None})


@pytest.mark.parametrize(
    ("mapping", "said"),
    [
        ({**BASE, "user_id": "custmer_id"}, "Stream 'orders', mapping 'user_id'.*Did you mean 'customer_id'"),
        ({**BASE, "time": ["created_at", "created"]}, "'time'.*Did you mean 'created_at'"),
        ({**BASE, "event_type": {"field": "knd"}}, "'event_type'.*Did you mean 'kind'"),
        ({**BASE, "device_id": "visitor.idd"}, "'device_id'.*Did you mean 'id'"),
        ({**BASE, "revenue": "items.amount"}, "'revenue'.*'items' is not an object"),
        ({**BASE, "groups": {"company": "compny"}}, "'groups'.*Did you mean 'company'"),
        ({**BASE, "operations": {"$set": {"x": "totl"}}}, "'operations'.*Did you mean 'total'"),
        ({**BASE, "filter": {"contry": ["DE"]}}, "'filter'.*Did you mean 'country'"),
        ({**BASE, "event_properties": {"include": ["contry"]}}, "'event_properties'.*Did you mean 'country'"),
        ({**BASE, "event_properties": {"rename": {"itms": "n"}}}, "'event_properties'.*Did you mean 'items'"),
        ({"user_id": "customer_id", "time": "created_at"}, "Stream 'orders': map 'event_type'"),
        ({"event_type": "x", "time": "created_at"}, "Stream 'orders': map 'user_id' or 'device_id'"),
        ({"load_as": "identify", "user_properties": {}}, "Stream 'orders': map 'user_id' or 'device_id'"),
        ({"load_as": "identify", "group_properties": {}}, "needs 'groups'"),
        (
            {"load_as": "identify", "groups": {"company": "company"}, "operations": {"$remove": {"x": "kind"}}},
            "'operations'.*not support \\$remove for groups",
        ),
        (None, "Stream 'orders' is of no known kind"),
    ],
)
def test_a_mapping_that_does_not_fit_names_stream_and_nearest(mapping: dict[str, Any] | None, said: str):
    with pytest.raises(ConnectorError, match=said):
        stream_plan, _ = plan(mapping)
        (identification_reader if stream_plan.load_as == "identify" else EventReader)(stream_plan)


@pytest.mark.parametrize(
    ("mapping", "said"),
    [
        ("x", "must be an object"),
        ({"user": "id"}, "Did you mean 'user_id'"),
        ({"event_type": ["x"]}, "'event_type'"),
        ({"event_type": "x" * 1025}, "over 1,024 characters"),
        ({"event_type": "[Amplitude] Revenue"}, "reserves"),
        ({"user_id": "a..b"}, "'user_id'.*not a path"),
        ({"time": []}, "'time'"),
        ({"event_properties": ["a"]}, "'event_properties'"),
        ({"load_as": "events"}, "must be one of: event, exposure, identify"),
        ({"groups": "company"}, "'groups'"),
        ({"groups": {"": "company"}}, "'groups'"),
        ({"operations": {"$st": {}}}, "Did you mean"),
        ({"operations": {"$set": ["a"]}}, "'operations'"),
        ({"operations": {"$set": {"a": "x"}, "$add": {"a": "y"}}}, "'a' is changed by \\$set and by \\$add"),
        ({"operations": {"$set": {"a": 5}}}, "not a source"),
        ({"filter": {"a": "x"}}, "'filter'"),
        ({"filter": ["a"]}, "'filter'"),
    ],
)
def test_a_mapping_is_checked_before_any_stream(mapping: Any, said: str):
    with pytest.raises(MappingError, match=said):
        check_mapping(mapping)


def test_columns_of_the_tap_can_be_used_but_are_not_sent_by_themselves():
    """Whether the schema lists them (as ORDERS does one) or not."""
    record = {**ORDER, "_sdc_deleted_at": None, "_sdc_received_at": "2026-03-14T09:00:00Z"}
    mapping = {**BASE, "time": "_sdc_received_at", "filter": {"_sdc_deleted_at": [None]}}
    made = event(mapping, record)
    assert made["time"] == 1773478800000
    assert not [name for name in made["event_properties"] if name.startswith("_sdc_")]
    for glob in ("_sdc_*", "_sdc_batched_at"):
        included = event({**BASE, "event_properties": {"include": ["kind", glob]}}, record)["event_properties"]
        assert included["_sdc_batched_at"] == "2026-03-14"
    assert "_sdc_batched_at" not in event({**BASE, "event_properties": {"include": ["*"]}}, record)["event_properties"]


def test_a_stream_of_any_columns_takes_any_path():
    made = event({**BASE, "user_id": "anything.at.all"}, {**ORDER, "anything": {"at": {"all": "x"}}}, schema={})
    assert made["user_id"] == "x"
    assert "anything" not in made["event_properties"]
