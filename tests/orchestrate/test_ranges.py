"""A range is cut into windows that together are the range, and share nothing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from split_amplitude.ranges import HOUR, Backfill, RangeError, moment_of

DAY = datetime(2026, 1, 1, tzinfo=UTC)


def backfill(start: datetime, end: datetime, hours: int = 24) -> Backfill:
    return Backfill("dev:tap-amplitude-to-target-split", start, end, hours * HOUR)


@given(st.integers(-100_000, 100_000), st.integers(1, 2_000), st.integers(1, 500))
def test_windows_are_the_range_and_share_nothing(first: int, length: int, hours: int) -> None:
    whole = backfill(DAY + first * HOUR, DAY + (first + length) * HOUR, hours)
    windows = list(whole.windows())
    assert windows[0].start == whole.start
    assert windows[-1].end == whole.end
    assert all(one.end == next_one.start for one, next_one in pairwise(windows))
    assert all(timedelta(0) < window.end - window.start <= whole.window for window in windows)
    assert len({window.suffix for window in windows}) == len(windows)
    assert Backfill.from_json(whole.to_json()) == whole


def test_thirty_days_are_thirty_windows() -> None:
    windows = list(backfill(DAY, DAY + timedelta(days=30)).windows())
    assert len(windows) == 30
    assert windows[0].suffix == "backfill-20260101T00-20260102T00"
    assert windows[-1].suffix == "backfill-20260130T00-20260131T00"


@pytest.mark.parametrize("minutes", [1, 59, 90])
def test_only_whole_hours_can_be_filled(minutes: int) -> None:
    with pytest.raises(RangeError, match="'end' must be a whole hour"):
        backfill(DAY, DAY + timedelta(minutes=minutes))


@pytest.mark.parametrize("end", [DAY, DAY - HOUR])
def test_a_range_has_a_length(end: datetime) -> None:
    with pytest.raises(RangeError, match="'end' must be later"):
        backfill(DAY, end)


@pytest.mark.parametrize(
    "text", ["2026-01-01", "2026-01-01T00:00", "2026-01-01T00:00:00Z", "2026-01-01 02:00:00+02:00", "2026-01-01T00:00Z"]
)
def test_times_are_read_in_utc(text: str) -> None:
    assert moment_of(text) == DAY
    assert moment_of(text).tzinfo is UTC


def test_what_is_no_time_is_said() -> None:
    with pytest.raises(RangeError, match="'yesterday' is not a date"):
        moment_of("yesterday")
