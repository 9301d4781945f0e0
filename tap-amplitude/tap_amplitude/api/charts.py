"""Days of dashboard figures: which are over, how many to request at once, and how a chart holds them. Pure.

Source: https://amplitude.com/docs/apis/analytics/dashboard-rest
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, datetime, timedelta
from typing import Any

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


def figures(data: Any, days: int) -> Iterator[tuple[str, str, Any]]:
    """Yield day, segment and value of each figure of a chart.

    Args:
        data: `{"series": [[…], …], "seriesMeta": […], "xValues": ["2026-03-13", …]}`: one series per segment.
        days: How many days were requested.

    Raises:
        ValueError, TypeError, KeyError: It is something else, or has fewer days.
    """
    dates = [date.fromisoformat(day[:10]).isoformat() for day in data["xValues"]]
    if len(set(dates)) < days:
        raise ValueError(f"{len(set(dates))} days instead of {days}")
    names = segment_names(data.get("seriesMeta") or [None] * len(data["series"]))
    for segment, series in zip(names, data["series"], strict=True):
        for day, value in zip(dates, series, strict=True):
            yield day, segment, value


def segment_names(metas: Sequence[Any]) -> list[str]:
    """Return a name of its own for each segment: its label or index, with its position when others share that."""
    given = [segment_name(meta) for meta in metas]
    names: list[str] = []
    for position, name in enumerate(given):
        unique = name if given.count(name) == 1 else f"{name} #{position}"
        while unique in names or (unique != name and unique in given):
            unique += "#"
        names.append(unique)
    return names


def segment_name(meta: Any) -> str:
    """Return a segment's label, or its index when it has none."""
    if isinstance(meta, dict):
        meta = meta.get("segmentIndex")
    return "0" if meta is None else str(meta)
