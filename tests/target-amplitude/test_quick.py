"""The quick ways make exactly what the careful ones make."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.amplitude_target import load
from support.impressions import SCHEMA, impression, messages, record_message, schema_message
from support.sandbox import Sandbox
from target_amplitude.api import event_fields
from target_amplitude.api.coerce import clean_properties
from target_amplitude.api.limits import MAX_TEXT
from target_amplitude.api.outcomes import Rejected, Skipped
from target_amplitude.common.timestamps import epoch_milliseconds
from target_amplitude.mapping.grammar import LoadSettings
from target_amplitude.payloads.columns import needed_columns
from target_amplitude.payloads.event import EventReader
from target_amplitude.payloads.identification import FlagIdentifications, Identification
from target_amplitude.payloads.identity import ImpressionIdReader, usual_milliseconds
from target_amplitude.payloads.plan import StreamPlan
from target_amplitude.payloads.properties import FieldsReader
from target_amplitude.payloads.quick import QuickFlags, QuickImpressions

TEXTS = st.sampled_from(["on", "", " ", "null", "\u200b", "user-1", "é", "x" * 1025, "a\ud83d", "東京"])
INTEGERS = st.sampled_from([0, 1767000000456, 2**63 - 1, 2**63, -(2**70), 1.0])
TIMES = st.sampled_from(
    [
        "2026-03-14T09:26:53.589Z",
        "1969-12-31T23:59:59.999Z",
        "9999-12-31T23:59:59.999Z",
        "2026-03-14T09:26:53.589+01:00",
        "2026-03-14T09:26:53Z",
        "2026-03-14T09:26:53,589Z",
        "2026-02-30T09:26:53.589Z",
        "2026-03-14T24:00:00.000Z",
        "2026-03-14T09:26:53.589123Z",
        "2026-W11-6T09:26:53.589Z",
        "2026-03-14 09:26:53Z",
        "2026-03-14x09:26:53.589Z",
        "20260314T092653.5890000Z",
        "1773480413589",
        "",
    ]
) | st.datetimes().map(lambda moment: moment.isoformat(timespec="milliseconds") + "Z")
OWN = st.none() | st.dictionaries(
    st.sampled_from(["plan", "label", "", "_sdc_x", "split_name", "n\ud83d"]),
    st.none() | TEXTS | INTEGERS | st.booleans() | st.floats() | st.lists(TEXTS, max_size=2) | st.just({"a": {"b": 1}}),
    max_size=4,
)
VALUES = {"split_version_number": st.none() | INTEGERS, "properties": OWN, "time": TIMES, "key": TEXTS | st.none()}
COLUMNS = SCHEMA["properties"]
RECORDS = st.fixed_dictionaries(
    {"key": VALUES["key"], "time": TIMES},
    optional={name: VALUES.get(name, TEXTS | st.none()) for name in COLUMNS if name not in ("key", "time")},
)


def plan_of(schema: dict[str, Any], keys: list[str], changes: list[str], **settings: Any) -> StreamPlan:
    return StreamPlan("s", schema, keys, LoadSettings(**settings), changes.append)


def outcome(reader: Any, record: dict[str, Any]) -> Any:
    try:
        return reader.read(record)
    except (Rejected, Skipped) as reason:
        return type(reason), str(reason)


@given(st.lists(RECORDS, min_size=1, max_size=3))
def test_a_usual_impression_gives_the_same_event(records: list[dict[str, Any]]):
    changes: list[str] = []
    plan = plan_of(SCHEMA, ["impression_id"], changes, identity={"*": "user_id", "null": "device_id"})
    reader = EventReader(plan)
    assert QuickImpressions.fits(plan)
    assert isinstance(reader.ids, ImpressionIdReader)
    quick = QuickImpressions(plan, reader.ids)
    for record in [*records, *records]:  # once more when keys and traffic types are known
        made = quick.read(record)
        cleaned = changes.copy()
        changes.clear()
        expected = outcome(reader, record)
        if made is None:
            changes.clear()
            continue
        try:
            part = msgspec.json.encode(made)
        except UnicodeEncodeError:
            changes.clear()
            continue  # made carefully
        if len(part) > MAX_TEXT:
            made["event_properties"] = clean_properties(made["event_properties"], cleaned.append)
        assert (made, set(cleaned)) == (expected, set(changes))
        changes.clear()


@given(st.lists(RECORDS, min_size=1, max_size=3))
def test_a_usual_impression_sets_the_same_property(records: list[dict[str, Any]]):
    changes: list[str] = []
    settings = {"load_as": "identify", "identity": {"*": "user_id", "null": "device_id"}, "property_prefix": "é "}
    plan = plan_of(SCHEMA, ["impression_id"], changes, **settings)
    reader = FlagIdentifications(plan)
    assert QuickFlags.fits(plan)
    assert isinstance(reader.ids, ImpressionIdReader)
    quick = QuickFlags(reader, reader.ids)
    for record in [*records, *records]:  # once more when all is known
        made = quick.read(record)
        assert not changes
        expected = outcome(reader, record)
        if made is not None:
            assert expected == [Identification(made.subject, {"$set": {made.name: made.value}}, made.time)]
            assert list(made.subject.values()) == [made.key]
            assert not changes
        changes.clear()


def test_the_usual_impression_sets_its_property_quickly():
    plan = plan_of(SCHEMA, ["impression_id"], [], load_as="identify")
    reader = FlagIdentifications(plan)
    assert isinstance(reader.ids, ImpressionIdReader)
    quick, record = QuickFlags(reader, reader.ids), impression(1)
    assert quick.read(record) is None  # all is new
    (expected,) = reader.read(record)
    made = quick.read(record)
    assert made is not None
    assert (made.subject, made.time) == (expected.subject, expected.time)
    assert expected.operations == {"$set": {made.name: made.value}}


@pytest.mark.parametrize(
    ("change", "fits"),
    [
        ({}, True),
        ({"mappings": {"s": {"filter": {"split": ["a*"]}}}}, True),
        ({"mappings": {"s": {"platform": {"value": "Web"}}}}, False),
        ({"load_as": "event"}, False),
    ],
)
def test_which_streams_have_usual_flags(change: dict[str, Any], fits: bool):
    assert QuickFlags.fits(plan_of(SCHEMA, ["impression_id"], [], **({"load_as": "identify"} | change))) is fits
    columns = {**COLUMNS, "split": {"type": ["object", "string"]}}
    assert not QuickFlags.fits(plan_of({**SCHEMA, "properties": columns}, [], [], load_as="identify"))


def test_the_usual_impression_is_usual():
    plan = plan_of(SCHEMA, ["impression_id"], [])
    reader = EventReader(plan)
    assert isinstance(reader.ids, ImpressionIdReader)
    quick = QuickImpressions(plan, reader.ids)
    record = impression(1, properties={"plan": "gold"})
    assert quick.read(record) is None  # its traffic type is new
    expected = reader.read(record)
    assert quick.read(record) == expected
    assert list(quick.read(record) or {}) == list(expected)


@given(st.fixed_dictionaries({}, optional=dict.fromkeys((*event_fields.PLAIN_KEYS, "a"), TEXTS | INTEGERS | OWN)))
def test_keys_that_need_no_conversion_are_as_converted(record: dict[str, Any]):
    keys = [key for key in event_fields.PLAIN_KEYS if key not in event_fields.MONEY]
    changes: list[set[str]] = [set(), set()]
    columns = {key: key for key in keys if key != "app_version"}
    reader = FieldsReader(columns, {"app_version": lambda record: record.get("a")}, changes[0].add)
    reader.read(record)
    read = reader.read(record)  # when its texts are known
    converted = {
        key: event_fields.CONVERTERS[key](record["a" if key == "app_version" else key], changes[1].add)
        for key in keys
        if record.get("a" if key == "app_version" else key) is not None
    }
    assert read == {key: value for key, value in converted.items() if value not in (None, {})}
    assert changes[0] == changes[1]


@pytest.mark.parametrize(
    "change",
    [
        {"label": "x" * 2000},
        {"properties": {"title": "é" * 2000, "score": float("nan"), "none": None, "": 1}},
        {"label": "x" * 2000, "properties": {"title": "y" * 1024, "none": None}},
        {"properties": {f"p{number}": 2**70 for number in range(1100)}},
    ],
)
def test_impressions_over_a_limit_give_the_same_event(change: dict[str, Any], config, sandbox: Sandbox):
    """With one mapped key more, records are read carefully."""
    made = []
    for number, mapping in enumerate(({}, {"impressions": {"platform": {"value": "Web"}}})):
        records = [impression(one, impression_id=f"{number}-{one}", **(change if one else {})) for one in range(2)]
        loaded = load(config | {"mappings": mapping}, messages(records))
        made.append(
            (loaded.error, {why: n for (name, why), n in loaded.reasons.items() if name == "records_truncated"})
        )
    assert made[0] == made[1]
    sent = {event["insert_id"]: event for event in sandbox.amplitude_events()}  # in whatever order
    quick, careful = (sent[f"{number}-1"] for number in range(2))
    assert quick["event_properties"] == careful["event_properties"]


@given(TIMES)
def test_usual_times(time: str):
    if (quick := usual_milliseconds(time)) is not None:
        assert quick == epoch_milliseconds(time)


@pytest.mark.parametrize(
    ("change", "fits"),
    [
        ({}, True),
        ({"mappings": {"s": {"filter": {"split": ["a*"]}}}}, True),
        ({"mappings": {"s": {"platform": {"value": "Web"}}}}, False),
        ({"load_as": "exposure"}, False),
        ({"dedupe": "day"}, False),
    ],
)
def test_which_streams_have_usual_impressions(change: dict[str, Any], fits: bool):
    assert QuickImpressions.fits(plan_of(SCHEMA, ["impression_id"], [], **change)) is fits


def test_columns_of_any_type_are_read_carefully():
    columns = {**COLUMNS, "label": {"type": ["object", "null"]}}
    assert not QuickImpressions.fits(plan_of({**SCHEMA, "properties": columns}, [], []))
    assert not QuickImpressions.fits(plan_of({**SCHEMA, "properties": {**COLUMNS, "label": {}}}, [], []))


NATIVE = {
    "properties": {
        "uuid": {"type": "string"},
        **{name: {} for name in ("user_id", "event_type", "time", "event_properties", "insert_id", "price", "extra")},
    }
}
MAPPINGS: list[dict[str, Any]] = [
    {},
    {"filter": {"extra": [1, None]}},
    {"time": ["extra", "time"], "platform": "extra"},
    {"event_properties": {"include": ["a"]}},
]


@pytest.mark.parametrize("mapping", MAPPINGS)
@given(st.data())
def test_columns_that_are_not_needed_make_no_difference(mapping: dict[str, Any], data: st.DataObject):
    for schema, keys in ((SCHEMA, ["impression_id"]), (NATIVE, ["uuid"])):
        usable = {name: member for name, member in mapping.items() if schema is NATIVE or name == "event_properties"}
        plan = plan_of(schema, keys, [], mappings={"s": usable} if usable else {})
        needed = needed_columns(plan)
        assert needed is not None
        values = (
            RECORDS
            if schema is SCHEMA
            else st.fixed_dictionaries(
                {"uuid": TEXTS},
                optional={name: TEXTS | INTEGERS | OWN for name in schema["properties"] if name != "uuid"},
            )
        )
        record = data.draw(values)
        some = {name: value for name, value in record.items() if name in needed}
        reader = EventReader(plan)
        assert outcome(reader, some) == outcome(reader, record)


@pytest.mark.parametrize(
    ("schema", "keys", "mapping"),
    [
        (SCHEMA, ["impression_id"], {"user_properties": {"include": ["label"]}}),
        (NATIVE, [], {}),
        (NATIVE, ["extra"], {}),
        (NATIVE, ["uuid"], {"user_properties": {"include": ["extra"]}}),
        (NATIVE, ["uuid"], {"load_as": "identify"}),
    ],
)
def test_where_any_column_may_be_needed(schema: dict[str, Any], keys: list[str], mapping: dict[str, Any]):
    schema = {"properties": schema["properties"] | {"user_properties": {}}} if "load_as" in mapping else schema
    assert needed_columns(plan_of(schema, keys, [], mappings={"s": mapping} if mapping else {})) is None


def test_odd_records_among_usual_ones(config, sandbox: Sandbox):
    """Lines that the quick way refuses are read as a whole, in their place."""
    odd: list[Any] = [
        impression(10, split_version_number="not a number"),
        impression(11, properties={"half": "a\ud83d"}),
        impression(12, label="x" * 2000),
        impression(13, key=17),
    ]
    lines: list[Any] = [schema_message()]
    lines += [record_message(record) for n in range(10) for record in [impression(n), *odd[n : n + 1]]]
    lines.append({"type": "STATE", "value": {"done": 1}})
    loaded = load(config | {"max_reject_share": 1}, lines)
    assert (loaded.error, loaded.state) == ("", {"done": 1})
    assert loaded.counts["records_rejected"] == 2
    assert loaded.counts["records_truncated"] == 1
    assert len(sandbox.amplitude_events()) == 12
    assert load(config, messages([impression(n) for n in range(10)])).error == ""
    assert len(sandbox.amplitude_events()) == 12
