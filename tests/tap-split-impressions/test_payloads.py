"""What the receiver makes of a body."""

from __future__ import annotations

import gzip
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.receiver import posted, zipped
from tap_split_impressions.common.receiver.bodies import BodyTooLargeError, InvalidBodyError, decompress
from tap_split_impressions.folder.readers.json_text import rows_of_line
from tap_split_impressions.impressions.item import NotAnImpression
from tap_split_impressions.receiver.payloads import LINE_ITEMS, lines_of

RECEIVED = 1767261605000


def stored(body: object) -> list[dict[str, object]]:
    """The lines made of a body, decoded."""
    made = lines_of(body if isinstance(body, bytes) else json.dumps(body).encode(), RECEIVED)
    assert made.lines.count(b"\n") == len(made.lines.splitlines())
    return [json.loads(line) for line in made.lines.splitlines()]


def test_a_webhook_batch_is_stored_as_it_came() -> None:
    batch = [posted(1), posted(2, properties='{"note":"a\\nb"}')]
    assert stored(batch) == [{"received": RECEIVED, "batch": batch}]
    assert stored(json.dumps(batch, indent=2).encode()) == stored(batch)


def test_unknown_fields_are_kept() -> None:
    assert stored([posted(1, cohort="new in 2027")])[0]["batch"] == [posted(1, cohort="new in 2027")]


def test_one_bad_item_does_not_cost_the_others() -> None:
    made = lines_of(json.dumps([posted(1), {"key": "only"}, 5, posted(2)], indent=1).encode(), RECEIVED)
    assert (made.accepted, made.rejected) == (2, 2)
    assert json.loads(made.lines)["batch"] == [posted(1), posted(2)]
    assert [json.loads(line) for line in made.rejects.splitlines()] == [
        {"time": "2026-01-01T10:00:05.000Z", "reason": "without split", "item": {"key": "only"}},
        {"time": "2026-01-01T10:00:05.000Z", "reason": "not an object", "item": 5},
    ]


def test_one_bad_key_impression_does_not_cost_the_others() -> None:
    good = {"keyName": "k", "treatment": "on", "time": 1767261600123, "changeNumber": 5, "label": "x"}
    body = {"impressions": [{"testName": "f", "keyImpressions": [good, {"keyName": "k"}, 7]}], "sdkVersion": "go-6.0"}
    made = lines_of(json.dumps(body).encode(), RECEIVED)
    assert (made.accepted, made.rejected) == (1, 2)
    (row,) = rows_of_line(made.lines)
    assert (row.key, row.split, row.sdk_version, row.received) == ("k", "f", "go-6.0", RECEIVED)


@pytest.mark.parametrize("body", [[], {"impressions": []}])
def test_an_empty_batch_is_no_fault(body: object) -> None:
    assert lines_of(json.dumps(body).encode(), RECEIVED) == (b"", b"", 0, 0)


@pytest.mark.parametrize(
    "body", [b"{}", b"null", b"5", b'"text"', b"", b"[", b"\xff\xfe", b"[1]", b'[{"a":1}]', b'{"a":1}']
)
def test_what_is_not_impressions_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidBodyError):
        lines_of(body, RECEIVED)


@pytest.mark.parametrize(
    "key",
    [b'"half an emoji \\ud83d"', b'"\\udc00\\ud800"', b'"no utf-8 \xff\xe9"'],
)
def test_a_broken_character_costs_neither_its_impression_nor_the_others(key: bytes) -> None:
    body = json.dumps([posted(1), posted(2, key="BROKEN")]).encode().replace(b'"BROKEN"', key)
    for text in (body, b"\xef\xbb\xbf" + body):
        made = lines_of(text, RECEIVED)
        first, second = rows_of_line(made.lines)
        assert (made.accepted, first.key) == (2, "user-000001")
        assert "\N{REPLACEMENT CHARACTER}" in second.key


@pytest.mark.parametrize("field", ["properties", "splitVersionNumber", "pt", "anything"])
def test_a_number_beyond_all_limits_costs_neither_its_impression_nor_the_others(field: str) -> None:
    body = json.dumps([posted(1), posted(2, **{field: "LARGE"})]).encode().replace(b'"LARGE"', b"-1e999")
    made = lines_of(body, RECEIVED)
    assert made.accepted == 2
    assert [row.key for row in rows_of_line(made.lines)] == ["user-000001", "user-000002"]


@pytest.mark.parametrize("body", [b"[" * 200_000, json.dumps([posted(1)]).encode().replace(b"null", b"[" * 9000)])
def test_nesting_without_end_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidBodyError):
        lines_of(body, RECEIVED)


@pytest.mark.parametrize("depth", [50, 900, 1100, 3000, 9000])
@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"impressions":[', "]}"), ('{"x":', "}")])
def test_nesting_of_any_depth_is_stored_or_refused(opening: str, closing: str, depth: int) -> None:
    try:
        made = lines_of((opening * depth + json.dumps(posted(1)) + closing * depth).encode(), RECEIVED)
    except InvalidBodyError:
        return
    assert [row.key for row in rows_of_line(made.lines)] == [posted(1)["key"]]


def test_a_large_batch_is_stored_in_several_lines() -> None:
    batch = [posted(number) for number in range(2 * LINE_ITEMS + 1)]
    lines = stored(batch)
    assert [len(line["batch"]) for line in lines] == [LINE_ITEMS, LINE_ITEMS, 1]
    assert [item for line in lines for item in line["batch"]] == batch


def test_unzipping_stops_at_the_limit() -> None:
    bomb = gzip.compress(bytes(50_000_000), 9)
    with pytest.raises(BodyTooLargeError):
        decompress(bomb, 1_000_000)
    assert decompress(gzip.compress(b"x" * 1000), 1000) == b"x" * 1000
    with pytest.raises(BodyTooLargeError):
        decompress(gzip.compress(b"x" * 1001), 1000)


def test_a_bomb_of_many_gzip_members_stops_at_the_limit() -> None:
    with pytest.raises(BodyTooLargeError):
        decompress(gzip.compress(bytes(400_000)) * 3, 1_000_000)
    assert decompress(gzip.compress(b"one") + gzip.compress(b"two"), 100) == b"onetwo"


@pytest.mark.parametrize("damage", [lambda body: body[:-5], lambda body: body[:20] + b"\0\0\0\0" + body[24:]])
def test_damaged_gzip_is_refused(damage: object) -> None:
    with pytest.raises(InvalidBodyError):
        decompress(damage(zipped([posted(1)])), 10_000)


@given(st.binary(max_size=200), st.booleans())
def test_no_body_ends_in_anything_but_lines_or_a_refusal(body: bytes, compress: bool) -> None:
    try:
        made = lines_of(decompress(gzip.compress(body) if compress else body, 10_000), RECEIVED)
    except (InvalidBodyError, BodyTooLargeError):
        return
    assert made.lines == b"" or made.lines.endswith(b"\n")


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from([*posted(1), "impressions", "x"]), inner)
    ),
    max_leaves=12,
)


@given(json_values)
def test_any_json_is_stored_or_refused_and_what_is_stored_is_read(body: object) -> None:
    try:
        made = lines_of(json.dumps(body).encode(), RECEIVED)
    except InvalidBodyError:
        return
    rows = [row for line in made.lines.splitlines(keepends=True) for row in rows_of_line(line)]
    assert not any(isinstance(row, NotAnImpression) for row in rows)
    assert len(rows) >= made.accepted


def test_a_list_in_the_place_of_an_impression_is_not_counted_as_one() -> None:
    body = [posted(1), {"testName": "f", "keyImpressions": [[]]}]
    lines = lines_of(json.dumps(body).encode(), RECEIVED)
    assert (lines.accepted, lines.rejected) == (1, 1)
    assert b"an empty list" in lines.rejects


@pytest.mark.parametrize("separator", ["\n", "", "\n\n", " \r\n"])
def test_values_behind_one_another_are_stored(separator: str) -> None:
    body = separator.join(json.dumps(posted(number)) for number in range(3)) + separator
    made = lines_of(body.encode(), RECEIVED)
    assert (made.accepted, [row.key for row in rows_of_line(made.lines)]) == (3, [f"user-{n:06}" for n in range(3)])


@pytest.mark.parametrize("value", [b"NaN", b"Infinity", b'"raw \t tab"', b'"half \\ud83d"'])
def test_a_broken_value_costs_only_itself(value: bytes) -> None:
    body = json.dumps([posted(1), posted(2, label="BROKEN"), posted(3)]).encode().replace(b'"BROKEN"', value)
    made = lines_of(body, RECEIVED)
    assert (made.accepted, made.rejected) == (3, 0)
    assert [row.key for row in rows_of_line(made.lines)] == ["user-000001", "user-000002", "user-000003"]


def test_a_rejected_item_takes_no_more_than_its_limit() -> None:
    made = lines_of(json.dumps([posted(1), {"of another make": "ü" * 500_000}]).encode(), RECEIVED)
    assert (made.accepted, made.rejected) == (1, 1)
    assert len(made.rejects) < 600_000
    assert json.loads(made.rejects)["item"].startswith('{"of another make":')
