"""Setting `event_types`: rows that it leaves out are not decoded, counted, and never unreadable."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.exports import archive_of, entry_name, export_row, lines_of
from support.scripted import Answer, scripted
from tap_amplitude.export.event_types import EventTypeFilter
from tap_amplitude.export.rows import RowReader

Runs = Callable[..., Any]
TYPES = ["get_treatment", "[Experiment] Exposure", "Order Placed", "order placed", "", "Köln ♪"]
ROWS = [export_row(n, event_type=name) for n, name in enumerate(TYPES)]


@pytest.mark.parametrize(
    ("setting", "expected"),
    [
        ({}, TYPES),
        ({"include": ["Order *"]}, ["Order Placed"]),
        ({"include": ["[Oo]rder *", "K*"]}, ["Order Placed", "order placed", "Köln ♪"]),
        ({"exclude": ["get_treatment", "[[]Experiment] *"]}, ["Order Placed", "order placed", "", "Köln ♪"]),
        ({"include": ["*rder*"], "exclude": ["order*"]}, ["Order Placed"]),
        ({"include": ["nothing"]}, []),
        ({"include": []}, TYPES),
        ({"include": [""], "exclude": [" "]}, TYPES),
    ],
)
def test_globs_choose_event_types(setting: dict[str, list[str]], expected: list[str]) -> None:
    rows = RowReader(EventTypeFilter(setting)).read(lines_of(ROWS), "")
    assert [row.event_type for row in rows.good] == expected
    assert rows.skipped == len(TYPES) - len(expected)
    assert rows.unreadable == []


def test_a_nested_member_of_that_name_is_not_the_type() -> None:
    row = export_row(1, event_type="kept", event_properties={"event_type": "left out"})
    rows = RowReader(EventTypeFilter({"exclude": ["left out"]})).read(lines_of([row]), "")
    assert len(rows.good) == 1


def test_odd_lines_are_filtered_and_lines_that_are_not_json_are_kept_for_the_quarantine() -> None:
    cut = b'{"uuid":"u","event_type":"get_treatment","user_id":"cut \\ud83d"}\n'
    missing = b'{"uuid":"v"}\n{"uuid":"w","event_type":null}\n'
    rows = RowReader(EventTypeFilter({"exclude": ["get_treatment"]})).read(cut + missing + b"no json\n\n", "")
    assert (len(rows.good), rows.skipped, rows.unreadable) == (2, 1, [b"no json"])


@given(st.lists(st.sampled_from(TYPES), max_size=30), st.sets(st.sampled_from([name for name in TYPES if name])))
def test_what_passes_is_what_would_be_left_of_all_rows(types: list[str], excluded: set[str]) -> None:
    rows = [export_row(n, event_type=name) for n, name in enumerate(types)]
    literal = [name.replace("[", "[[]") for name in excluded]
    found = RowReader(EventTypeFilter({"exclude": literal})).read(lines_of(rows), "h")
    whole = RowReader().read(lines_of([row for row in rows if row["event_type"] not in excluded]), "h")
    assert msgspec.json.encode(found.good) == msgspec.json.encode(whole.good)


@pytest.mark.parametrize("as_batches", [False, True])
def test_the_run_counts_what_it_skips(run_tap: Runs, tmp_path: Path, as_batches: bool) -> None:
    batches = {"encoding": {"format": "jsonl", "compression": "none"}, "storage": {"root": f"{tmp_path}/batches"}}
    more = {"batch_config": batches} if as_batches else {}
    with scripted(lambda _: Answer(archive_of({entry_name(9): ROWS}))) as server:
        options = {"api_url": server.url, "end_date": "2026-03-15", **more}
        result = run_tap(event_types={"exclude": ["*rder*", "K*"]}, **options)
        nothing = run_tap(event_types={"include": ["misspelled"]}, **options)
    files = (tmp_path / "batches").glob("*")
    lines = "".join(file.read_text(encoding="utf-8") for file in files).splitlines()
    records = [json.loads(line) for line in lines] or result.records("events")
    assert [record["event_type"] for record in records] == ["get_treatment", "[Experiment] Exposure", ""]
    assert "3 skipped (3 event_types)" in result.stderr
    assert "let none of" not in result.stderr
    assert "'event_types' let none of 6 events through" in nothing.stderr
    assert nothing.records("events") == []
