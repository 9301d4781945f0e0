"""The fast way of reading blocks gives what the other gives, whatever is in them."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.exports import export_row, lines_of
from tap_amplitude.bulk import read_bulk, usual_times
from tap_amplitude.records import DECODER, TIME_FIELDS, read_block

HOUR = "2026-03-14T09:00:00.000000Z"
USUAL = st.datetimes().map(lambda moment: moment.isoformat(" ", "microseconds"))
TIMES = USUAL | st.sampled_from(
    [
        None,
        "2026-03-14T09:26:53.589000",
        "2026-03-14 09:26:53",
        "2026-03-14 09:26:53.5+0100",
        "2026-02-30 00:00:00.000000",
        "٢026-03-14 09:26:53.589000",
        "2026-03-14 09:26:53.589000\n2026-03-14 09:26:53.589000",
        "soon",
        12,
    ]
)
ROWS = st.builds(
    lambda number, times, more: export_row(number, **times, **more),
    st.integers(0, 99),
    st.dictionaries(st.sampled_from(TIME_FIELDS), TIMES),
    st.dictionaries(st.sampled_from(["user_id", "paying", "unknown"]), st.sampled_from(["u", True, 1.5, None])),
)


@given(st.lists(ROWS | st.just(b"no json") | st.just(b"")))
def test_any_block_reads_the_same_both_ways(lines: list[Any]) -> None:
    block = lines_of(lines)
    bulk, one_by_one = read_bulk(block, HOUR), read_block(block, HOUR)
    assert msgspec.json.encode(bulk.good) == msgspec.json.encode(one_by_one.good)
    assert (bulk.nulled, bulk.unreadable) == (one_by_one.nulled, one_by_one.unreadable)


def test_the_usual_form_and_missing_times_are_converted_together() -> None:
    events = DECODER.decode_lines(
        lines_of([export_row(1), export_row(2, user_creation_time="9999-12-31 23:59:59.999999")])
    )
    one = ["2026-03-14T09:26:53.589000Z"] * (len(TIME_FIELDS) - 1)
    assert TIME_FIELDS[-1] == "user_creation_time"
    assert usual_times(events) == [*one, None, *one, "9999-12-31T23:59:59.999999Z"]


@pytest.mark.parametrize("text", ["2026-03-14 09:26:53", "2026-13-01 00:00:00.000000", "2026-03-14 09:26:53.5+0100"])
def test_other_forms_are_left_to_the_other_way(text: str) -> None:
    with pytest.raises(ValueError):
        usual_times(DECODER.decode_lines(lines_of([export_row(1), export_row(2, event_time=text)])))
