"""The one retry: exponential backoff with full jitter, `Retry-After`, a deadline, and an end when the run is to end."""

from __future__ import annotations

import math
import random
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import KW_ONLY, dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TypeVar

from .errors import DeadlineError, RetriableError

FIRST_WAIT_SECONDS, LONGEST_WAIT_SECONDS = 1.0, 60.0
# A longer wait (11 days) is not meant seriously: the header is damaged, or holds a time instead of a span.
LONGEST_RETRY_AFTER_SECONDS = 1_000_000.0

T = TypeVar("T")


class StoppedError(Exception):
    """The run is to end, so nobody waits for a retry."""


@dataclass
class Retry:
    """Waits between the attempts of one request, from its first failure until its deadline. Make one a request.

    Attributes:
        timeout_seconds: Time from the first failure to the end of all attempts: the setting 'retry_timeout_seconds'.
        stopping: Set when the run is to end; waits end at once.
        on_wait: Called before each wait with the reason and the seconds: to count and to log it.
        grace_seconds: How long to go on once `stopping` is set; 0 raises `StoppedError` at once.
        first_wait_seconds: Upper limit of the first wait, doubled for each further one. It is the least wait when a
            service asks for a shorter one, such as 0.
        longest_wait_seconds: Upper limit of all waits that a service did not ask for.

    Example:
        retry = Retry(300, stopping, on_wait=lambda reason, seconds: logger.warning("%s: retrying", reason))
        answer = retry.run(lambda: ask_once(url))  # a function that raises RetriableError
    """

    timeout_seconds: float
    stopping: threading.Event
    on_wait: Callable[[str, float], object] = lambda _reason, _seconds: None
    _: KW_ONLY
    grace_seconds: float = 0.0
    first_wait_seconds: float = FIRST_WAIT_SECONDS
    longest_wait_seconds: float = LONGEST_WAIT_SECONDS
    _attempts: int = field(default=0, init=False)
    _first_failure: float | None = field(default=None, init=False)
    _stop_seen: float | None = field(default=None, init=False)

    def run(self, action: Callable[[], T]) -> T:
        """Return what an action returns once it succeeds; try again after each `RetriableError`.

        Raises:
            DeadlineError: The deadline is over.
            StoppedError: The run is to end.
        """
        while True:
            try:
                return action()
            except RetriableError as error:
                self.wait(str(error), error.retry_after, timeout_seconds=error.timeout_seconds)

    def wait(self, reason: str, retry_after: float | None = None, *, timeout_seconds: float | None = None) -> None:
        """Wait before the next attempt. The arguments are those of `RetriableError`.

        Raises:
            DeadlineError: The deadline is over, or the service asks to wait beyond it.
            StoppedError: The run is to end.
        """
        limit = self.timeout_seconds if timeout_seconds is None else timeout_seconds
        now = time.monotonic()
        self._first_failure = now if self._first_failure is None else self._first_failure
        left = self._first_failure + limit - now
        if self.stopping.is_set():
            left = min(left, self._grace_left(now))
        elif retry_after is not None and retry_after > max(left, self.first_wait_seconds):
            raise DeadlineError(
                f"{sentence(reason)} The service asks to wait {retry_after:,.0f} s, longer than the {max(0, left):,.0f}"
                f" s that are left of {limit:,.0f} s for retries. Run again later, or raise 'retry_timeout_seconds'."
            )
        if left <= 0:
            raise DeadlineError(
                f"{sentence(reason)} Gave up after {now - self._first_failure:,.0f} s of retries. Run again later, or"
                " raise 'retry_timeout_seconds'."
            )
        seconds = min(self._next_wait(retry_after), left)
        self.on_wait(reason, seconds)
        if self.stopping.is_set():
            time.sleep(min(seconds, 1.0))
        elif self.stopping.wait(seconds) and self.grace_seconds <= 0:
            raise StoppedError(reason)

    def _next_wait(self, retry_after: float | None) -> float:
        cap = min(self.longest_wait_seconds, self.first_wait_seconds * 2.0 ** min(self._attempts, 60))
        self._attempts += 1
        if retry_after is not None:
            return max(retry_after, self.first_wait_seconds)
        return random.uniform(0, cap)  # noqa: S311  # spreads workers, protects nothing

    def _grace_left(self, now: float) -> float:
        if self.grace_seconds <= 0:
            raise StoppedError
        self._stop_seen = now if self._stop_seen is None else self._stop_seen
        return self._stop_seen + self.grace_seconds - now


def retry_after_seconds(headers: Mapping[str, str], *reset_headers: str) -> float | None:
    """Return how long an answer asks to wait: the longest of `Retry-After` and of other headers that hold seconds.

    Seconds may have a fraction; `Retry-After` may be an HTTP date, which is compared with the answer's own `Date`, so
    that a wrong clock on either side does not matter. Whatever is not a sensible time to wait (negative,
    nan, over `LONGEST_RETRY_AFTER_SECONDS`, text) is ignored.

    Args:
        headers: Headers of the answer.
        reset_headers: Names of other headers, such as `X-RateLimit-Reset-Seconds-Org`.
    """
    waits = [_number(headers.get(name, "")) for name in ("Retry-After", *reset_headers)]
    if moment := _moment(headers.get("Retry-After", "")):
        now = _moment(headers.get("Date", "")) or datetime.now(UTC)
        waits.append(max(0.0, (moment - now).total_seconds()))
    return max((wait for wait in waits if 0 <= wait <= LONGEST_RETRY_AFTER_SECONDS), default=None)


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan


def _moment(date: str) -> datetime | None:
    try:
        moment = parsedate_to_datetime(date)
    except (ValueError, OverflowError):
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def sentence(reason: str) -> str:
    """Return a reason as a sentence."""
    return f"{reason[:1].upper()}{reason[1:].rstrip('.')}."
