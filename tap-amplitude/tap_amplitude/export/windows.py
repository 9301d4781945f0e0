"""Which hours to request: whole UTC hours of upload time, in windows that shrink when they hold too much. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
# Longest span of one request. Source: https://amplitude.com/docs/apis/analytics/export
MAX_WINDOW_HOURS = 365 * 24
# Data from before this day is grouped per day. Source: the same page.
FIRST_HOURLY_DAY = datetime(2014, 11, 12, tzinfo=UTC)


@dataclass(frozen=True)
class Window:
    """Whole hours from `start` to, not including, `end`."""

    start: datetime
    end: datetime

    @property
    def hours(self) -> int:
        """How many hours it has."""
        return (self.end - self.start) // HOUR

    @property
    def parameters(self) -> dict[str, str]:
        """The window as the Export API wants it: `YYYYMMDDTHH`, both hours included."""
        return {"start": f"{self.start:%Y%m%dT%H}", "end": f"{self.end - HOUR:%Y%m%dT%H}"}

    def halves(self) -> tuple[Window, Window] | None:
        """Return its two halves, or None when it cannot be divided: an hour, or a day grouped as such."""
        step = step_at(self.start)
        parts = (self.end - self.start) // step
        if parts < 2:
            return None
        middle = self.start + parts // 2 * step
        return Window(self.start, middle), Window(middle, self.end)

    def __str__(self) -> str:
        return f"{self.start:%Y-%m-%d %H:%M} to {self.end:%Y-%m-%d %H:%M} UTC"


def step_at(moment: datetime) -> timedelta:
    """Return the smallest window that can be requested at a time."""
    return HOUR if moment >= FIRST_HOURLY_DAY else DAY


def beginning(moment: datetime) -> datetime:
    """Return where the smallest window begins that a time lies in."""
    return moment.replace(hour=moment.hour if step_at(moment) == HOUR else 0, minute=0, second=0, microsecond=0)


def newest_end(now: datetime, lag_hours: int) -> datetime:
    """Return where the newest hour that is old enough ends.

    An hour `H` is complete three hours after its start: at 23:05 with a lag of 3 hours the newest is that of 20:00,
    which ends at 21:00. An hour that is not over is never read.
    Source: https://amplitude.com/docs/apis/analytics/export, "data availability".
    """
    this_hour = now.replace(minute=0, second=0, microsecond=0)
    return min(this_hour - lag_hours * HOUR + HOUR, this_hour)


class Plan:
    """Windows from `start` to `end` in order, each as large as was found good so far."""

    def __init__(self, start: datetime, end: datetime, window_hours: int) -> None:
        self.end = end
        self.window_hours = window_hours
        self._next = start if start >= min(FIRST_HOURLY_DAY, end) else start.replace(hour=0)

    def __iter__(self) -> Iterator[Window]:
        while self._next < self.end:
            start, step = self._next, step_at(self._next)
            size = max(step, self.window_hours * HOUR // step * step)
            end = start + size
            if start < FIRST_HOURLY_DAY:
                end = min(end, FIRST_HOURLY_DAY)
            self._next = min(end, self.end)
            yield Window(start, self._next)

    def shrink(self, window: Window) -> tuple[Window, Window] | None:
        """Return the halves of a window that was too large, and plan windows of that size from here on."""
        halves = window.halves()
        if halves:
            self.window_hours = min(self.window_hours, halves[1].hours)
        return halves
