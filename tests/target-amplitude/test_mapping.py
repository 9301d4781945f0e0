"""What records of any stream become."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from target_amplitude.api.endpoints import events_route
from target_amplitude.api.limits import Unusable, clean_properties
from target_amplitude.common.errors import ConnectorError
from target_amplitude.common.record_paths import MappingError
from target_amplitude.delivery.router import as_sent
from target_amplitude.mapping.grammar import WAYS, Loading, check_mapping
from target_amplitude.payloads.event import LIBRARY, event_maker
from target_amplitude.payloads.identification import identification_maker
from target_amplitude.payloads.impressions import LeftOut
from target_amplitude.payloads.insert_id import of_record
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
    mapping: dict[str, Any] | None, schema: dict[str, Any] = ORDERS, keys: Sequence[str] = ("id",), **loading: Any
) -> tuple[StreamPlan, list[str]]:
    mended: list[str] = []
    mappings = {} if mapping is None else {"orders": mapping}
    return StreamPlan("orders", schema, keys, Loading(mappings=mappings, **loading), mended.append), mended


def event(mapping: dict[str, Any] | None, record: dict[str, Any] = ORDER, **options: Any) -> dict[str, Any]:
    made = event_maker(plan(mapping, **options)[0])(record)
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
    insert_id = of_record("event", "orders", ["shop", "number"])
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
    # without a key the whole record tells
    assert insert_id(keys=()) == insert_id(dict(ORDER), keys=())
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
        ({"customer_id": None}, LeftOut, "no user or device id"),
        ({"customer_id": "  "}, LeftOut, "no user or device id"),
        ({"customer_id": "null"}, Unusable, "forbids"),
        ({"customer_id": True}, Unusable, "neither text nor"),
        ({"created_at": None}, Unusable, "no time"),
        ({"created_at": "soon"}, Unusable, "cannot be read"),
        ({"created_at": "1969-12-31"}, Unusable, "before 1970"),
        ({"kind": ""}, Unusable, "no event type"),
        ({"kind": "[Amplitude] Revenue"}, Unusable, "reserves"),
    ],
)
def test_records_that_cannot_be_sent(change: dict[str, Any], exception: type, said: str):
    with pytest.raises(exception, match=said):
        event(BASE, {**ORDER, **change})


def test_one_usable_id_is_enough():
    mapping = {**BASE, "device_id": 'visitor."cookie.id"'}
    stream_plan, mended = plan(mapping)
    made = event_maker(stream_plan)({**ORDER, "customer_id": "unknown"})
    assert "user_id" not in made
    assert made["device_id"] == "c-1"
    assert mended == ["an id that Amplitude forbids beside a usable one"]
    assert "device_id" not in event_maker(stream_plan)({**ORDER, "visitor": None})


NATIVE = {
    "properties": {
        name: {}
        for name in ("user_id", "event_type", "time", "event_properties", "user_properties", "insert_id", "price",
                     "quantity", "session_id", "groups", "country", "comment")
    }
}  # fmt: skip


class TestNative:
    """Streams whose columns are Amplitude's own keys need no mapping."""

    RECORD: dict[str, Any] = {  # noqa: RUF012
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
        stream_plan, mended = plan(None, NATIVE)
        made = event_maker(stream_plan)(self.RECORD)
        assert made == {
            **{name: value for name, value in self.RECORD.items() if name not in ("comment", "country")},
            "price": 3.5,
            "quantity": 2,
            "groups": {"org": "a"},
            "library": LIBRARY,
        }
        assert mended == []
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
            for own in (None, "", 7, "x" * 2000)
        ]
        assert [len(text) for text in made] == [32, 32, 1, 32]

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

    def test_without_a_time_amplitude_takes_its_own_and_it_is_said(self):
        stream_plan, _ = plan(None, {"properties": {"event_type": {}, "user_id": {}}})
        event_maker(stream_plan)
        assert any("time of arrival" in note for note in stream_plan.notes)


EXPOSURES = {"properties": {"user_id": {}, "time": {}, "event_properties": {}, "event_type": {}}}


def test_exposures_of_other_streams():
    record = {"user_id": "u", "time": 1773480413589, "event_properties": {"flag_key": "f", "variant": "on", "x": 1}}
    make = event_maker(plan({"load_as": "exposure"}, EXPOSURES)[0])
    assert make(record)["event_type"] == "$exposure"
    for properties in ({"variant": "on"}, {"flag_key": "f"}, {"flag_key": "f", "variant": "control"}, None):
        with pytest.raises(LeftOut):
            make({**record, "event_properties": properties})


class TestIdentify:
    USERS: dict[str, Any] = {  # noqa: RUF012
        "properties": {name: {} for name in ("id", "plan", "visits", "tags", "company", "seats", "platform", "at")}
    }
    USER: dict[str, Any] = {  # noqa: RUF012
        "id": "ada", "plan": "gold", "visits": "3", "tags": ["a"], "company": ["acme", "x"], "seats": 5,
        "platform": "iOS", "at": 1773480413,
    }  # fmt: skip

    def identifications(self, mapping: dict[str, Any], **changes: Any) -> list[tuple[Any, ...]]:
        stream_plan, _ = plan({"load_as": "identify", **mapping}, self.USERS)
        made = identification_maker(stream_plan)({**self.USER, **changes})
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
        with pytest.raises(LeftOut, match="no group"):
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
        with pytest.raises(LeftOut, match="nothing to set"):
            self.identifications({"user_id": "id", "user_properties": {"include": ["plan"]}}, plan=None)

    def test_native(self):
        schema = {"properties": {"user_id": {}, "user_properties": {}}}
        stream_plan, _ = plan(None, schema, load_as="identify")
        (made,) = identification_maker(stream_plan)({"user_id": "ada", "user_properties": {"a": 1, "b": "\ud800"}})
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
        ({**BASE, "revenue": "total.amount"}, "'revenue'.*'total' is not an object"),
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
            "'operations'.*no \\$remove for groups",
        ),
        (None, "Stream 'orders' is of no known kind"),
    ],
)
def test_a_mapping_that_does_not_fit_names_stream_and_nearest(mapping: dict[str, Any] | None, said: str):
    with pytest.raises(ConnectorError, match=said):
        stream_plan, _ = plan(mapping)
        (identification_maker if stream_plan.way == "identify" else event_maker)(stream_plan)


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


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    ("columns", "mapping"),
    [(IMPRESSION_COLUMNS, None), (NATIVE_COLUMNS, None), (NATIVE_COLUMNS, OPERATIONS_MAPPING)],
    ids=["impressions", "native", "mapped"],
)
@given(st.data())
def test_whatever_a_record_holds_it_is_made_refused_or_left_out(way: str, columns, mapping, data):
    """Streams need not say what their columns hold, and validation can be turned off."""
    record = data.draw(st.fixed_dictionaries({}, optional=dict.fromkeys(columns, ANYTHING)))
    for name, usual in {"key": "ada", "user_id": "ada", "time": 5, "event_type": "e", "split": "f"}.items():
        if name in columns and data.draw(st.booleans()):
            record[name] = usual  # so that the rest is looked at, too
    schema = {"properties": {column: {} for column in columns}}
    loading = Loading(load_as=way, dedupe="day", mappings={"s": mapping} if mapping else {})
    plan = StreamPlan("s", schema, [], loading, lambda _: None)
    make: Any = (identification_maker if way == "identify" else event_maker)(plan)
    try:
        made = make(record)
    except (LeftOut, Unusable):
        return
    events = [as_sent(one, BATCH) for one in made] if way == "identify" else [made]
    for one in events:
        if way != "identify":  # of an event, encoding it tells
            one = clean_properties(one, lambda _: None, depth=0)  # noqa: PLW2901
        msgspec.json.encode(one)
        assert one == clean_properties(one, lambda _: None, depth=0)
        objects = one.keys() & {"event_properties", "user_properties", "group_properties", "groups", "plan"}
        assert all(isinstance(one[name], dict) for name in objects)
