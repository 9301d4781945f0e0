"""What records of any stream become."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from target_amplitude.api.coerce import clean_properties
from target_amplitude.api.endpoints import events_route
from target_amplitude.api.outcomes import Rejected, Skipped
from target_amplitude.common.errors import ConnectorError
from target_amplitude.common.record_paths import MappingError
from target_amplitude.delivery.router import as_sent
from target_amplitude.mapping.grammar import LOAD_AS, LoadSettings, check_mapping
from target_amplitude.payloads.event import LIBRARY, EventReader
from target_amplitude.payloads.identification import identification_reader
from target_amplitude.payloads.insert_id import RecordInsertId
from target_amplitude.payloads.plan import StreamPlan

ORDERS = {
    "type": "object",
    "properties": {
        "id": {"type": "integer"},
        "customer_id": {"type": ["string", "integer", "null"]},
        "visitor": {"type": "object", "properties": {"id": {"type": ["string", "null"]}, "cookie.id": {}}},
        "created_at": {"type": ["string", "integer", "null"]},
        "kind": {"type": "string"},
        "total": {"type": ["number", "string", "null"]},
        "items": {"type": ["integer", "null"]},
        "company": {"type": ["string", "null"]},
        "country": {"type": ["string", "null"]},
        "cart": {"type": "object"},
        "_sdc_batched_at": {"type": "string"},
    },
}
ORDER = {
    "id": 17,
    "customer_id": 4711,
    "visitor": {"id": None, "cookie.id": "c-1"},
    "created_at": "2026-03-14T10:26:53.589123+01:00",
    "kind": "Order Completed",
    "total": "41.90",
    "items": 3,
    "company": "acme",
    "country": "DE",
    "cart": {"coupon": "A1", "lines": [{"sku": "x"}]},
    "_sdc_batched_at": "2026-03-14",
}
BASE = {"event_type": {"field": "kind"}, "user_id": "customer_id", "time": "created_at"}


def plan(
    mapping: dict[str, Any] | None, schema: dict[str, Any] = ORDERS, keys: Sequence[str] = ("id",), **settings: Any
) -> tuple[StreamPlan, list[str]]:
    changes: list[str] = []
    mappings = {} if mapping is None else {"orders": mapping}
    return StreamPlan("orders", schema, keys, LoadSettings(mappings=mappings, **settings), changes.append), changes


def event(mapping: dict[str, Any] | None, record: dict[str, Any] = ORDER, **options: Any) -> dict[str, Any]:
    made = EventReader(plan(mapping, **options)[0]).read(record)
    assert made.pop("library") == LIBRARY
    return made


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


NATIVE = {
    "properties": {
        name: {}
        for name in ("user_id", "event_type", "time", "event_properties", "user_properties", "insert_id", "price",
                     "quantity", "session_id", "groups", "country", "comment")
    }
}  # fmt: skip


class TestNative:
    """Streams whose columns are Amplitude's own keys need no mapping."""

    RECORD: dict[str, Any] = {
        "user_id": "ada-1815",
        "event_type": "Play",
        "time": 1773480413589,
        "event_properties": {"a": None, "b": {"c": [1]}},
        "user_properties": {"plan": "gold"},
        "insert_id": "own-1",
        "price": "3.5",
        "quantity": 2.0,
        "session_id": 1773480000000,
        "groups": {"org": ["a"]},
        "country": None,
        "comment": "not sent",
    }

    def test_is_passed_as_such(self):
        stream_plan, changes = plan(None, NATIVE)
        made = EventReader(stream_plan).read(self.RECORD)
        assert made == {
            **{name: value for name, value in self.RECORD.items() if name not in ("comment", "country")},
            "price": 3.5,
            "quantity": 2,
            "groups": {"org": "a"},
            "library": LIBRARY,
        }
        assert changes == []
        assert any("'comment'" in note for note in stream_plan.notes)

    def test_a_mapping_is_laid_over(self):
        mapping = {
            "event_type": "Played",
            "event_properties": {"exclude": ["b.c"], "rename": {"b": "beta"}},
            "user_properties": {"include": []},
            "filter": {"event_type": ["Pl*"]},
        }
        made = event(mapping, self.RECORD, schema=NATIVE)
        assert (made["event_type"], made["event_properties"]) == ("Played", {"beta": {}})
        assert "user_properties" not in made
        assert made["price"] == 3.5

    def test_its_own_insert_id_is_kept_where_it_has_one(self):
        made = [
            event(None, {**self.RECORD, "insert_id": own}, schema=NATIVE)["insert_id"]
            for own in (None, "", " \u200b", 7, 12345.0, "x" * 2000)
        ]
        assert [len(text) for text in made] == [32, 32, 32, 1, 5, 32]

    @pytest.mark.parametrize(
        ("given", "sent"),
        [
            ({"$set": {"a": 1}, "$unset": {"b": "-"}}, {"$set": {"a": 1}, "$unset": {"b": "-"}}),
            ({"$set": {"a": 1}, "b": 2}, {"b": 2}),
            ({"$what": 1, "b": 2}, {"b": 2}),
        ],
    )
    def test_operations_and_reserved_names(self, given, sent):
        assert event(None, {**self.RECORD, "user_properties": given}, schema=NATIVE)["user_properties"] == sent

    def test_ids_from_settings(self):
        schema = {"properties": {"event_type": {}, "account": {"properties": {"id": {}}}}}
        record = {"event_type": "x", "account": {"id": 5}}
        made = event(None, record, schema=schema, user_id=["nobody.id", "account.id"])
        assert made["user_id"] == "5"
        assert "time" not in made

    def test_money_that_cannot_be_read_is_not_lost_silently(self):
        assert event(None, {**self.RECORD, "price": "12,50 EUR"}, schema=NATIVE)["price"] == 12.5
        assert "price" not in event(None, {**self.RECORD, "price": " "}, schema=NATIVE)
        for change in ({"price": "a lot"}, {"price": "1,234"}, {"quantity": 1.5}):
            with pytest.raises(Rejected, match="is not a number"):
                event(None, {**self.RECORD, **change}, schema=NATIVE)

    def test_without_a_time_amplitude_takes_its_own_and_it_is_said(self):
        stream_plan, _ = plan(None, {"properties": {"event_type": {}, "user_id": {}}})
        EventReader(stream_plan)
        assert any("time of arrival" in note for note in stream_plan.notes)


EXPOSURES = {"properties": {"user_id": {}, "time": {}, "event_properties": {}, "event_type": {}}}


def test_exposures_of_other_streams():
    record = {"user_id": "u", "time": 1773480413589, "event_properties": {"flag_key": "f", "variant": "on", "x": 1}}
    make = EventReader(plan({"load_as": "exposure"}, EXPOSURES)[0]).read
    assert make(record)["event_type"] == "$exposure"
    for properties in ({"variant": "on"}, {"flag_key": "f"}, {"flag_key": "f", "variant": "control"}, None):
        with pytest.raises(Skipped):
            make({**record, "event_properties": properties})


class TestIdentify:
    USERS: dict[str, Any] = {
        "properties": {name: {} for name in ("id", "plan", "visits", "tags", "company", "seats", "platform", "at")}
    }
    USER: dict[str, Any] = {
        "id": "ada", "plan": "gold", "visits": "3", "tags": ["a"], "company": ["acme", "x"], "seats": 5,
        "platform": "iOS", "at": 1773480413,
    }  # fmt: skip

    def identifications(self, mapping: dict[str, Any], **changes: Any) -> list[tuple[Any, ...]]:
        stream_plan, _ = plan({"load_as": "identify", **mapping}, self.USERS)
        made = identification_reader(stream_plan).read({**self.USER, **changes})
        return [(one.subject, one.operations, one.others or {}) for one in made]

    def test_columns_are_set(self):
        mapping = {"user_id": "id", "user_properties": {"include": ["plan", "seats"]}}
        assert self.identifications(mapping) == [({"user_id": "ada"}, {"$set": {"plan": "gold", "seats": 5}}, {})]
        assert self.identifications({"user_id": "id", "time": "at"})[0][1]["$set"].keys() == {
            "plan", "visits", "tags", "company", "seats", "platform",
        }  # fmt: skip

    def test_every_operation(self):
        mapping = {
            "device_id": "id",
            "operations": {
                "$clearAll": {},
                "$set": {"plan": "plan"},
                "$setOnce": {"first": "plan"},
                "$add": {"visits": "visits"},
                "$append": {"t1": "tags"},
                "$prepend": {"t2": "tags"},
                "$preInsert": {"t3": "tags"},
                "$postInsert": {"t4": "tags"},
                "$remove": {"t5": "tags"},
                "$unset": ["old", "older"],
            },
        }
        assert self.identifications(mapping) == [
            (
                {"device_id": "ada"},
                {
                    "$clearAll": "-",
                    "$set": {"plan": "gold"},
                    "$setOnce": {"first": "gold"},
                    "$add": {"visits": 3},
                    "$append": {"t1": ["a"]},
                    "$prepend": {"t2": ["a"]},
                    "$preInsert": {"t3": ["a"]},
                    "$postInsert": {"t4": ["a"]},
                    "$remove": {"t5": ["a"]},
                    "$unset": {"old": "-", "older": "-"},
                },
                {},
            )
        ]

    def test_groups(self):
        mapping = {"groups": {"company": "company"}, "group_properties": {"include": ["seats"]}}
        assert self.identifications(mapping) == [
            ({"group_type": "company", "group_value": name}, {"$set": {"seats": 5}}, {}) for name in ("acme", "x")
        ]
        with pytest.raises(Skipped, match="no group"):
            self.identifications(mapping, company=None)
        operations = {"groups": {"company": "company"}, "operations": {"$add": {"seats": "seats"}}}
        assert self.identifications(operations, company="acme")[0][:2] == (
            {"group_type": "company", "group_value": "acme"},
            {"$add": {"seats": 5}},
        )

    def test_a_user_and_its_group(self):
        mapping = {
            "user_id": "id",
            "user_properties": {"include": ["plan"]},
            "groups": {"company": "company"},
            "group_properties": {"include": ["seats"]},
        }
        made = self.identifications(mapping, company="acme")
        assert [subject for subject, _, _ in made] == [
            {"user_id": "ada"},
            {"group_type": "company", "group_value": "acme"},
        ]

    def test_further_keys(self):
        mapping = {"user_id": "id", "user_properties": {"include": ["plan"]}, "platform": "platform"}
        mapping |= {"groups": {"company": "company"}}
        assert self.identifications(mapping)[0][2] == {"platform": "iOS", "groups": {"company": ["acme", "x"]}}

    def test_nothing_to_set(self):
        with pytest.raises(Skipped, match="nothing to set"):
            self.identifications({"user_id": "id", "user_properties": {"include": ["plan"]}}, plan=None)

    def test_native(self):
        schema = {"properties": {"user_id": {}, "user_properties": {}}}
        stream_plan, _ = plan(None, schema, load_as="identify")
        (made,) = identification_reader(stream_plan).read(
            {"user_id": "ada", "user_properties": {"a": 1, "b": "\ud800"}}
        )
        assert made.operations == {"$set": {"a": 1, "b": "\ufffd"}}

    def test_members_without_a_meaning_are_said(self):
        stream_plan, _ = plan({"load_as": "identify", "user_id": "id", "event_type": "x", "price": "seats"}, self.USERS)
        assert any("'event_type', 'price'" in note for note in stream_plan.notes)


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


IMPRESSIONS = {"properties": {name: {} for name in ("key", "split", "treatment", "time", "traffic_type", "attributes")}}
IMPRESSION = {
    "key": "ada",
    "split": "f",
    "treatment": "on",
    "time": 1773480413589,
    "traffic_type": "user",
    "attributes": {"plan": "gold", "age": 36, "email": "x@example.com", "country": "GB"},
}


class TestImpressions:
    def test_attributes_are_sent_only_where_they_are_named(self):
        for selection in ({}, {"include": ["*"]}, {"exclude": ["x"]}):
            made = event({"event_properties": selection}, IMPRESSION, schema=IMPRESSIONS)
            assert made["event_properties"] == {"split_name": "f", "treatment": "on", "traffic_type": "user"}
        selection = {
            "include": ["split_name", "attributes.*"],
            "exclude": ["attributes.email"],
            "rename": {"attributes.plan": "plan"},
        }
        made = event({"event_properties": selection}, IMPRESSION, schema=IMPRESSIONS)
        assert made["event_properties"] == {
            "split_name": "f",
            "plan": "gold",
            "attributes.age": 36,
            "attributes.country": "GB",
        }

    def test_attributes_as_user_properties_of_an_event(self):
        mapping = {"user_properties": {"include": ["attributes.plan"], "rename": {"attributes.plan": "plan"}}}
        assert event(mapping, IMPRESSION, schema=IMPRESSIONS)["user_properties"] == {"plan": "gold"}

    def test_other_keys_of_an_identification(self):
        mapping = {"load_as": "identify", "country": "attributes.country", "language": {"value": "English"}}
        (made,) = identification_reader(plan(mapping, IMPRESSIONS)[0]).read(IMPRESSION)
        assert made.operations == {"$set": {"f": "on"}}
        assert made.others == {"country": "GB", "language": "English"}

    def test_a_traffic_type_without_an_identity(self):
        with pytest.raises(Rejected, match="traffic type 'user' is not in 'identity'"):
            event(None, IMPRESSION, schema=IMPRESSIONS, identity={"account": "device_id"})


def test_a_stream_of_any_columns_takes_any_path():
    made = event({**BASE, "user_id": "anything.at.all"}, {**ORDER, "anything": {"at": {"all": "x"}}}, schema={})
    assert made["user_id"] == "x"
    assert "anything" not in made["event_properties"]


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
