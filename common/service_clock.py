"""The time by which a service works, learned from the `Date` header of its answers."""

from __future__ import annotations

import time
from collections.abc import Callable
from email.utils import parsedate_to_datetime

# Clocks of machines that nobody sets drift by minutes; an hour is a wrong date or time zone.
MAX_CLOCK_ERROR_SECONDS = 3_600.0


def not_in_future(moment: float, now: float) -> float:
    """Return a moment told by others, or the present in its place: one in the future would outlast all to come.

    What is less ahead than clocks may be wrong is kept, so that moments close to the present keep their order.
    """
    return moment if moment <= now + MAX_CLOCK_ERROR_SECONDS else now


class ServiceClock:
    """This machine's time, corrected by a service's: a wrong clock must decide nothing. Safe to use from any thread.

    Args:
        service: Name of the service, for the message.
        report: Called once with a sentence when this machine's clock is wrong by more than an hour.
    """

    def __init__(self, service: str, report: Callable[[str], None]) -> None:
        self._service = service
        self._report = report
        self._error_seconds = 0.0
        self._is_reported = False

    def now(self) -> float:
        """Return seconds since 1970."""
        return time.time() - self._error_seconds

    def latest(self) -> float:
        """Return the present by whichever of the two clocks is later, in seconds since 1970."""
        return max(time.time(), self.now())

    def observe(self, date: str | None) -> None:
        """Compare this machine's clock with the `Date` header of an answer."""
        try:
            error_seconds = time.time() - parsedate_to_datetime(date or "").timestamp()
        except (ValueError, TypeError, OverflowError):
            return
        if abs(error_seconds) <= MAX_CLOCK_ERROR_SECONDS:
            error_seconds = 0.0  # also of a clock that was corrected meanwhile
        elif not self._is_reported:
            self._is_reported = True
            ahead = "ahead" if error_seconds > 0 else "behind"
            self._report(
                f"This machine's clock is {abs(error_seconds) / 3600:,.1f} hours {ahead} of {self._service}'s, whose "
                "time is used. Correct the clock (NTP)."
            )
        self._error_seconds = error_seconds
