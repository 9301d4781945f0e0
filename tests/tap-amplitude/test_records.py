"""Records: typed, exact, nothing lost; one bad value costs that value, one bad line that line."""

from __future__ import annotations

import json
import math
from typing import Any

import jsonschema_rs
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.exports import export_row, lines_of
from tap_amplitude.export.broken_json import rewritten
from tap_amplitude.export.rows import MAX_LEARNED_MEMBERS, RowReader, Rows
from tap_amplitude.records.schemas import EVENTS, EXPORTED, Kind, json_schema
from tap_amplitude.records.values import Cleaner

HOUR = "2026-03-14T09:00:00.000000Z"
VALID = jsonschema_rs.validator_for(json_schema(EVENTS, ["uuid"]))


def records(*rows: Any) -> tuple[list[dict[str, Any]], Rows]:
    """The records of rows as a target gets them, and the rest of the report."""
    result = RowReader().read(lines_of(rows), HOUR)
    return [json.loads(msgspec.json.encode(row)) for row in result.good], result


def one(**members: Any) -> dict[str, Any]:
    """The record of a row with these members."""
    (record,), _ = records(export_row(1, **members))
    VALID.validate(record)
    return record


def test_a_usual_row_keeps_all_fields_and_values() -> None:
    row = export_row(7, "2026-03-14 09:26:53.589000", user_creation_time="2025-11-02 18:01:07.330000")
    (record,), result = records(row)
    assert result.nulled == 0
    assert len(EXPORTED) == 55
    assert set(record) == set(row) | {"export_hour"} == set(EVENTS)
    times = {name for name, kind in EXPORTED.items() if kind is Kind.TIME}
    assert {name: value for name, value in record.items() if name not in times | {"export_hour"}} == {
        name: value for name, value in row.items() if name not in times
    }
    assert {record[name] for name in times} == {"2026-03-14T09:26:53.589000Z", "2025-11-02T18:01:07.330000Z"}
    assert record["export_hour"] == HOUR


@pytest.mark.parametrize("number", [2**53 + 1, 2**63 - 1, -(2**63), 2**64 - 1])
def test_large_integers_stay_exact(number: int) -> None:
    row = export_row(1, amplitude_id=number, event_id=number, event_properties={"deep": [{"number": number}]})
    result = RowReader().read(lines_of([row]), HOUR)
    encoded = msgspec.json.encode(result.good[0])
    assert encoded.count(str(number).encode()) == 3


def test_open_objects_keep_odd_names_apart() -> None:
    properties = {"cart.total": 1, "cart": {"total": 2}, "Plan": "a", "plan": "b", "": 0, "$set": {"x": None}}
    record = one(event_properties=properties, user_properties=properties, groups={"org": ["a", "b"]}, data=properties)
    assert record["event_properties"] == record["user_properties"] == record["data"] == properties
    assert record["groups"] == {"org": ["a", "b"]}


@pytest.mark.parametrize(
    "members",
    [
        {"paying": True},
        {"paying": "(none)"},
        {"amplitude_attribution_ids": "one"},
        {"amplitude_attribution_ids": ["one", "two"]},
        {"source_id": "7"},
        {"source_id": 7},
        {"global_user_properties": {"a": 1}},
        {"location_lat": 34},
        {"location_lat": 34.69},
    ],
)
def test_both_forms_of_disputed_fields_are_accepted(members: dict[str, Any]) -> None:
    (record,), result = records(export_row(1, **members))
    assert members.items() <= record.items()
    assert result.nulled == 0
    VALID.validate(record)


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        ({"amplitude_id": "200000000042"}, {"amplitude_id": 200000000042}),
        ({"event_id": 12.0}, {"event_id": 12}),
        ({"user_id": 42}, {"user_id": "42"}),
        ({"location_lng": "135.19"}, {"location_lng": 135.19}),
        ({"is_attribution_event": "true"}, {"is_attribution_event": True}),
        ({"event_time": 1773478801}, {"event_time": "2026-03-14T09:00:01.000000Z"}),
    ],
)
def test_values_in_another_json_type_are_read(members: dict[str, Any], expected: dict[str, Any]) -> None:
    (record,), result = records(export_row(1, **members))
    assert expected.items() <= record.items()
    assert result.nulled == 0
    VALID.validate(record)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("event_properties", "text"),
        ("user_properties", [1, 2]),
        ("data", 5),
        ("amplitude_id", "abc"),
        ("event_id", 1.5),
        ("event_id", True),
        ("session_id", {}),
        ("location_lat", "north"),
        ("is_attribution_event", 2),
        ("event_time", "soon"),
        ("event_time", "12026-03-14 09:26:53.589000"),
        ("event_time", []),
        ("event_time", "-inf"),
        ("event_time", "1e999"),
        ("event_time", "0000-01-01 00:00:00.000000"),
        ("event_time", "10000-01-01 00:00:00.000000"),
        ("event_time", "9999-12-31 23:59:59.999999-01:00"),
        ("event_time", 10**400),
        ("event_time", -1e300),
        ("location_lat", "-inf"),
        ("location_lat", "1e999"),
        ("event_id", "-inf"),
        ("user_id", {"id": 1}),
        ("paying", 3),
        ("amplitude_attribution_ids", {}),
        ("source_id", 1.5),
    ],
)
def test_one_bad_value_becomes_null_and_is_counted(name: str, value: Any) -> None:
    (good, bad), result = records(export_row(1), export_row(2, **{name: value}))
    assert result.nulled == 1
    assert bad[name] is None
    assert {**good, **dict.fromkeys(("uuid", name))}.keys() == bad.keys()
    VALID.validate(bad)


def test_a_number_beyond_a_double_costs_no_other_row() -> None:
    (bad, good), result = records(export_row(1, location_lat=10**400, user_id=7), export_row(2))
    assert (bad["location_lat"], bad["user_id"], result.nulled) == (None, "7", 1)
    assert good["uuid"]


def test_unknown_fields_are_kept_and_missing_ones_are_null() -> None:
    row = export_row(1, followed_an_identify=False, new={"deep": [1, None]})
    del row["city"]
    (record,), result = records(row)
    assert record["followed_an_identify"] is False
    assert record["new"] == {"deep": [1, None]}
    assert record["city"] is None
    assert result.nulled == 0


@pytest.mark.parametrize(
    "line",
    [
        b"{",
        b"no json",
        b"[]",
        b"5",
        b"null",
        b'{"event_type":"no uuid"}',
        b'{"uuid":null}',
        b'{"uuid":7}',
        b'{"uuid":' + b"[" * 5000 + b"]" * 5000 + b"}",
        b"\x1f\x8b\x08",
    ],
)
def test_a_line_that_is_no_event_is_set_aside_alone(line: bytes) -> None:
    kept, result = records(export_row(1), line, export_row(2))
    assert [record["event_id"] for record in kept] == [1, 2]
    assert result.unreadable == [line]


def test_flawed_text_and_numbers_are_mended() -> None:
    head = b'{"uuid":"u","event_type":"'
    lines = [
        head + b'cut \\ud83d","event_properties":{"low":"\\udc00 x","pair":"\\ud83d\\ude00"}}',
        head + b'byte \xff"}',
        head + b'","event_properties":{"a":NaN,"b":-Infinity,"c":1e999,"d":1.5}}',
    ]
    (cut, byte, numbers), result = records(*lines)
    assert cut["event_type"] == "cut �"
    assert cut["event_properties"] == {"low": "� x", "pair": "😀"}
    assert byte["event_type"] == "byte �"
    assert numbers["event_properties"] == {"a": None, "b": None, "c": None, "d": 1.5}
    assert not result.unreadable


def test_empty_lines_are_nothing_and_the_last_line_needs_no_end() -> None:
    block = b"\n\n" + lines_of([export_row(1)]) + b"\n" + lines_of([export_row(2)]).rstrip(b"\n")
    result = RowReader().read(block, HOUR)
    assert len(result.good) == 2
    assert not result.unreadable


def test_a_row_of_five_megabytes_is_a_row() -> None:
    assert len(one(event_properties={"long": "x" * 5_000_000})["event_properties"]["long"]) == 5_000_000


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=150)
@given(members=st.dictionaries(st.sampled_from([n for n in EXPORTED if n != "uuid"]), JSON, max_size=6))
def test_whatever_a_row_holds_its_record_fits_the_schema(members: dict[str, Any]) -> None:
    kept, result = records(export_row(1, **members), export_row(2))
    assert len(kept) == 2
    assert not result.unreadable
    for record in kept:
        VALID.validate(record)
        assert all(math.isfinite(value) for value in record.values() if isinstance(value, float))


@settings(max_examples=150)
@given(properties=st.dictionaries(st.text(max_size=8), JSON, max_size=6), unknown=st.dictionaries(st.text("xyz"), JSON))
def test_open_objects_come_out_as_they_went_in(properties: dict[str, Any], unknown: dict[str, Any]) -> None:
    (usual, odd), _ = records(
        export_row(1, event_properties=properties), export_row(2, event_properties=properties, **unknown)
    )
    assert usual["event_properties"] == odd["event_properties"] == properties
    assert unknown.items() <= odd.items()


ODD_MEMBERS = st.fixed_dictionaries(
    {},
    optional={
        **{name: JSON for name in EXPORTED if name != "uuid"},
        "display_name": JSON,
        "followed_an_identify": JSON,
        "new": JSON,
    },
)
TIMES = st.sampled_from(
    ["2026-03-14 09:26:53.589000", "2026-03-14T09:26:53.589", "2026-03-14 09:26:53", "2026-02-30 09:26:53", "soon", 5]
)
ODD_LINES = st.one_of(
    ODD_MEMBERS.map(lambda members: json.dumps(export_row(1, **members)).encode()),
    TIMES.map(lambda time: json.dumps(export_row(2, event_time=time, client_event_time=time)).encode()),
    st.sampled_from(
        [
            lines_of([export_row(3, city="Köln")]).strip(),
            lines_of([export_row(4, added=None, learned_0=1, uuid="u")]).strip(),
            b'{"uuid":"a","city":"cut \\ud83d","user_id":"\\\\\\\\ud83d \\\\\\ud83d"}',
            b'{"uuid":"b","city":"byte \xff","event_properties":{"x":NaN}}',
            b'{"uuid":"c","location_lat":Infinity,"display_name":-1e999}',
            b'{"uuid":"d","user_id":7,"event_id":1.0,"location_lng":3}',
            b'{"uuid":5}',
            b"no json",
            b"",
        ]
    ),
)

# A column that came with another type in all rows of a block.
WHOLE_NUMBERS = st.integers() | st.sampled_from([10**400, -1, 0])
COLUMNS = st.one_of(
    st.tuples(st.sampled_from(["amplitude_id", "user_id"]), st.lists(values | st.none(), min_size=1, max_size=5))
    for values in (
        WHOLE_NUMBERS.map(str) | st.sampled_from(["", " 12", "1_0", "x", "\u0663", "1" * 5000]),
        WHOLE_NUMBERS,
        st.floats(),
        st.booleans(),
    )
).map(lambda column: [json.dumps(export_row(n, **{column[0]: value})).encode() for n, value in enumerate(column[1])])


def cleaned_one_by_one(line: bytes) -> tuple[dict[str, Any] | None, int]:
    """The record of a line without any struct: decoded freely, cleaned value by value."""
    try:
        row = json.loads(rewritten(line))
    except ValueError:
        return None, 0
    if not isinstance(row, dict) or not isinstance(row.get("uuid"), str):
        return None, 0
    record, nulled = Cleaner(EXPORTED).clean(row)
    return json.loads(json.dumps(record | {"export_hour": HOUR})), nulled


@settings(max_examples=300)
@given(blocks=st.lists(COLUMNS | st.lists(ODD_LINES, max_size=5), max_size=5))
def test_the_struct_gives_what_cleaning_each_value_gives(blocks: list[list[bytes]]) -> None:
    reader = RowReader()
    for lines in blocks:
        rows = reader.read(b"\n".join(lines), HOUR)
        expected = [cleaned_one_by_one(line) for line in lines if line]
        assert [json.loads(msgspec.json.encode(row)) for row in rows.good] == [
            record for record, _ in expected if record is not None
        ]
        assert rows.nulled == sum(nulled for _, nulled in expected)
        read = zip((line for line in lines if line), expected, strict=True)
        assert rows.unreadable == [line for line, (record, _) in read if record is None]


def test_what_is_learned_is_bounded() -> None:
    reader = RowReader()
    rows = [export_row(n, **{f"member {n}": n}) for n in range(MAX_LEARNED_MEMBERS + 50)]
    result = reader.read(lines_of(rows), HOUR)
    found = [json.loads(msgspec.json.encode(row)) for row in result.good]
    assert [record[f"member {n}"] for n, record in enumerate(found)] == list(range(len(rows)))
    assert sum(type(row) is dict for row in result.good) == 50
