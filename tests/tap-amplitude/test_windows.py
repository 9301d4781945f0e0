"""Windows: disjoint whole hours without a gap, whatever their size and however they are divided."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tap_amplitude.export.windows import FIRST_HOURLY_DAY, HOUR, Plan, Window, newest_end

MIDNIGHT = datetime(2026, 3, 14, tzinfo=UTC)


@given(
    start=st.integers(-24 * 5000, 24 * 100), length=st.integers(0, 24 * 40), size=st.integers(1, 8760), data=st.data()
)
def test_windows_cover_every_hour_once_and_in_order(start: int, length: int, size: int, data: st.DataObject) -> None:
    first, end = MIDNIGHT + start * HOUR, MIDNIGHT + (start + length) * HOUR
    plan = Plan(first, end, size)
    reached = None
    for planned in plan:
        queue = [planned]
        while queue:
            window = queue.pop(0)
            if window.hours > 1 and data.draw(st.integers(0, 9)) == 0 and (halves := plan.shrink(window)):
                queue[:0] = halves
                continue
            # The first window may begin earlier: at the midnight of a day that Amplitude has as a whole.
            assert window.start == reached if reached else window.start <= first
            assert window.start < window.end
            assert window.hours <= max(size, 24 if window.start < FIRST_HOURLY_DAY else 1)
            reached = window.end
    assert reached == (end if length else None)


def test_both_hours_of_a_request_are_included() -> None:
    assert Window(MIDNIGHT, MIDNIGHT + 24 * HOUR).parameters == {"start": "20260314T00", "end": "20260314T23"}
    assert Window(MIDNIGHT, MIDNIGHT + HOUR).parameters == {"start": "20260314T00", "end": "20260314T00"}


def test_an_hour_has_no_halves() -> None:
    assert Window(MIDNIGHT, MIDNIGHT + HOUR).halves() is None
    assert [half.hours for half in Window(MIDNIGHT, MIDNIGHT + 3 * HOUR).halves() or ()] == [1, 2]


def test_a_good_size_is_remembered() -> None:
    plan = Plan(MIDNIGHT, MIDNIGHT + 72 * HOUR, 24)
    windows = iter(plan)
    plan.shrink(next(windows))
    assert [window.hours for window in windows] == [12, 12, 12, 12]


def test_days_from_before_hourly_data_stay_whole() -> None:
    start = FIRST_HOURLY_DAY - timedelta(hours=30)
    windows = list(Plan(start, FIRST_HOURLY_DAY + 2 * HOUR, 1))
    assert [window.hours for window in windows] == [24, 24, 1, 1]
    assert windows[0].start.hour == 0
    assert windows[0].halves() is None


@pytest.mark.parametrize(
    ("minutes", "lag", "hour"), [(5, 3, 21), (59, 3, 21), (0, 3, 21), (5, 1, 23), (5, 0, 23), (5, 48, -24)]
)
def test_the_newest_hour_is_complete(minutes: int, lag: int, hour: int) -> None:
    now = MIDNIGHT + timedelta(hours=23, minutes=minutes)
    assert newest_end(now, lag) == MIDNIGHT + hour * HOUR
