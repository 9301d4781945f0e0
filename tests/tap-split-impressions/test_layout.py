"""Typed decoders learned from what comes give the same rows as reading each object by itself."""

from __future__ import annotations

import io
import json
from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.receiver import posted
from tap_split_impressions.common.lenient_json import decoded
from tap_split_impressions.folder.readers import CsvOptions, read
from tap_split_impressions.impressions.item import Item, NotAnImpression, items_of
from tap_split_impressions.impressions.layout import MOST_LAYOUTS, Decoders
from tap_split_impressions.impressions.record import Shaper

S3_NAMES = {"split": "splitName", "time": "timestamp", "splitVersionNumber": "splitVersion"}
LISTENER = {"ip": "10.0.0.1", "hostname": False, "sdkLanguageVersion": "nodejs-11.4.1", "attributes": {"plan": "gold"}}


def shaped(rows: list[Any]) -> list[Any]:
    """What becomes of rows: records, or reasons."""
    shaper, made = Shaper("user"), []
    for row in rows:
        try:
            if isinstance(row, NotAnImpression):
                raise row
            made.append((shaper.shape(row, "now"), row.received))
        except NotAnImpression as reason:
            made.append(str(reason))
    return made


def one_by_one(objects: list[str]) -> list[Any]:
    """The rows of objects that are each decoded to plain values first."""
    return shaped([row for text in objects for row in items_of(decoded(text.encode()))])


def of_file(content: bytes, name: str = "a") -> list[Any]:
    return [row for block in read(name, io.BytesIO(content), CsvOptions()) for row in block]


values = st.sampled_from(
    [
        "text",
        "",
        None,
        5,
        1767261600123,
        "1767261600123",
        1767261600.5,
        1e300,
        float("nan"),
        -1,
        True,
        {},
        [],
        {"a": 1},
        "\ud83d",
    ]
)


@st.composite
def objects(draw: st.DrawFn) -> dict[str, Any]:
    """An object as some source sends it, now and then with a member of another name or type."""
    number = draw(st.integers(0, 3))
    plain = {name: value for name, value in posted(number).items() if draw(st.booleans()) or name in ("key", "time")}
    names = draw(st.sampled_from([{}, S3_NAMES, {"key": "keyName"}, {"label": "appliedRule"}]))
    made = {names.get(name, name): value for name, value in plain.items()}
    for name in draw(st.lists(st.sampled_from([*posted(0), "pt", "x", "y", "receptionTimestamp"]), max_size=2)):
        made[name] = draw(values)
    if draw(st.integers(0, 4)) == 0:
        return {"impression": made, **{name: LISTENER[name] for name in draw(st.sets(st.sampled_from(list(LISTENER))))}}
    return made


@settings(max_examples=300, deadline=None)
@given(st.lists(objects(), min_size=1, max_size=12), st.sampled_from(["lines", "array", "adjoining", "stored"]))
def test_learned_decoders_change_no_record_no_null_and_no_count(items: list[dict[str, Any]], form: str) -> None:
    texts = [json.dumps(item) for item in items]
    expected = one_by_one(texts)
    if form == "stored":
        content = '{"received":1767261605000,"batch":[' + ",".join(texts) + "]}\n"
        expected = [made if isinstance(made, str) else (made[0], 1767261605000) for made in expected]
    else:
        content = {"lines": "\n".join(texts) + "\n", "array": f"[{','.join(texts)}]", "adjoining": "".join(texts)}[form]
    found = shaped(of_file(content.encode()))
    assert Counter(map(repr, found)) == Counter(map(repr, expected))
    assert [made for made in found if not isinstance(made, str)] == [m for m in expected if not isinstance(m, str)]


def test_one_odd_object_costs_only_itself() -> None:
    decoders = Decoders()
    texts = [json.dumps(posted(number)).encode() for number in range(5)]
    texts[2] = texts[2].replace(b'"default rule"', b'"half \\ud83d"')
    assert [row.key for text in texts for row in decoders.rows_of(text)] == [f"user-{n:06}" for n in range(5)]
    assert decoders.singly


@pytest.mark.parametrize("changes", [{"x": 1}, {"time": "1767261600123"}, {"splitVersionNumber": "5"}])
def test_a_layout_is_learned_from_one_object(changes: dict[str, Any]) -> None:
    decoders = Decoders()
    decoders.rows_of(json.dumps(posted(1, **changes)).encode())
    (item,) = decoders.shape.rows([decoders.shape.item.decode(json.dumps(posted(2, **changes)))])
    assert (type(item) is not Item, item.key, type(item.time)) == (True, "user-000002", int)


def test_objects_that_differ_again_and_again_end_the_learning() -> None:
    decoders = Decoders()
    for number in range(500):
        decoders.rows_of(json.dumps(posted(number, **{f"member {number}": 1})).encode())
    assert len(decoders._shapes) <= MOST_LAYOUTS
    assert len(decoders._shapes[-1].layout.ignored) <= 100
