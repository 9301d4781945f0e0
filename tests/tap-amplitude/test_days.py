"""Dashboard days: complete everywhere on earth, asked for in spans, within the budget."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tap_amplitude.api.charts import (
    MAX_DAYS,
    end_of_complete_days,
    figures,
    segment_names,
    spans,
)
from tap_amplitude.api.quota import BUDGET_COST, BUDGET_SECONDS, CostBudget


@given(st.datetimes(min_value=datetime(2015, 1, 1), timezones=st.just(UTC)))
def test_a_day_is_read_when_it_is_over_in_the_last_time_zone(now: datetime) -> None:
    first_open = end_of_complete_days(now)
    over = datetime(first_open.year, first_open.month, first_open.day, tzinfo=timezone(timedelta(hours=-12)))
    assert over <= now < over + timedelta(days=1)


@given(st.dates(date(2015, 1, 1), date(2030, 1, 1)), st.integers(0, 1000))
def test_spans_cover_every_day_once(start: date, days: int) -> None:
    end = start + timedelta(days=days)
    covered = [first + timedelta(days=n) for first, last in spans(start, end) for n in range((last - first).days + 1)]
    assert covered == [start + timedelta(days=n) for n in range(days)]
    assert all((last - first).days < MAX_DAYS for first, last in spans(start, end))


@given(st.lists(st.integers(1, BUDGET_COST), min_size=1, max_size=60))
def test_the_budget_is_never_exceeded_and_never_waits_longer_than_needed(costs: list[int]) -> None:
    budget, now, sent = CostBudget(), 0.0, []
    for cost in costs:
        pause = budget.pause(cost, now)
        if pause:
            almost = now + pause - 0.001
            assert sum(c for moment, c in sent if moment > almost - BUDGET_SECONDS) + cost > BUDGET_COST
        now += pause
        assert budget.pause(cost, now) == 0
        budget.spend(cost, now)
        sent.append((now, cost))
        assert sum(c for moment, c in sent if moment > now - BUDGET_SECONDS) <= BUDGET_COST
        now += 1.0


def test_figures_come_by_day_and_segment() -> None:
    data = {"series": [[1, 2], [3, 4]], "seriesMeta": ["Germany", "Japan"], "xValues": ["2026-03-13", "2026-03-14"]}
    assert list(figures(data, 2)) == [
        ("2026-03-13", "Germany", 1),
        ("2026-03-14", "Germany", 2),
        ("2026-03-13", "Japan", 3),
        ("2026-03-14", "Japan", 4),
    ]
    assert list(figures({"series": [[1.5]], "seriesMeta": [{"segmentIndex": 0}], "xValues": ["2026-03-13"]}, 1)) == [
        ("2026-03-13", "0", 1.5)
    ]
    assert list(figures({"series": [[7]], "xValues": ["2026-03-13"]}, 1)) == [("2026-03-13", "0", 7)]
    assert list(figures({"series": [], "seriesMeta": [], "xValues": []}, 0)) == []


@given(st.lists(st.sampled_from(["a", "0", "0 #1", {"segmentIndex": 0}, None, "a #0"]), max_size=6))
def test_segments_have_names_of_their_own(metas: list[object]) -> None:
    names = segment_names(metas)
    assert len(set(names)) == len(metas)


@pytest.mark.parametrize(
    "data", [{}, {"series": [[1, 2]], "xValues": ["2026-03-13"]}, {"series": [[1]], "xValues": ["soon"]}]
)
def test_what_is_no_chart_of_days_is_refused(data: dict[str, object]) -> None:
    with pytest.raises((ValueError, KeyError)):
        list(figures(data, 1))
