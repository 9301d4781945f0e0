"""Days of dashboard figures: which are over, how many to ask for at once, and what they cost."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from typing import Any

# Source of both: https://amplitude.com/docs/apis/analytics/dashboard-rest ("at most 1,000 cost within 5 minutes")
BUDGET_COST, BUDGET_SECONDS = 1000, 300.0
MAX_DAYS = 90
# Days are those of the project's time zone. The last place where a day ends is 12 hours behind UTC.
LATEST_ZONE = timedelta(hours=12)
ONE_DAY = timedelta(days=1)


def end_of_complete_days(now: datetime) -> date:
    """Return the first day that may not be over yet in some time zone."""
    return (now - LATEST_ZONE).date()


def spans(start: date, end: date) -> Iterator[tuple[date, date]]:
    """Yield spans of days, both days included, from `start` up to, not including, `end`."""
    while start < end:
        last = min(start + MAX_DAYS * ONE_DAY, end) - ONE_DAY
        yield start, last
        start = last + ONE_DAY


class CostBudget:
    """What was spent of the cost that a project has within five minutes."""

    def __init__(self) -> None:
        self._spent: deque[tuple[float, int]] = deque()

    def pause(self, cost: int, now: float) -> float:
        """Return the seconds to wait until a request of this cost fits in."""
        while self._spent and self._spent[0][0] <= now - BUDGET_SECONDS:
            self._spent.popleft()
        excess = sum(spent for _, spent in self._spent) + cost - BUDGET_COST
        until = now
        for moment, spent in self._spent:
            if excess <= 0:
                break
            excess -= spent
            until = moment + BUDGET_SECONDS
        return until - now

    def spend(self, cost: int, now: float) -> None:
        """Note that a request of this cost was sent."""
        self._spent.append((now, cost))


def figures(data: Any) -> Iterator[tuple[str, str, Any]]:
    """Yield day, segment and value of each figure of a chart.

    Args:
        data: `{"series": [[…], …], "seriesMeta": […], "xValues": ["2026-03-13", …]}`: one series per segment.

    Raises:
        ValueError, TypeError, KeyError: It is something else.
    """
    segments = data.get("seriesMeta") or [None] * len(data["series"])
    for segment, series in zip(segments, data["series"], strict=True):
        for day, value in zip(data["xValues"], series, strict=True):
            yield date.fromisoformat(day[:10]).isoformat(), segment_name(segment), value


def segment_name(meta: Any) -> str:
    """Return the name of a segment: its label, or its number when it has none."""
    if isinstance(meta, dict):
        meta = meta.get("segmentIndex")
    return "0" if meta is None else str(meta)
