"""Times in any notation, as milliseconds since 1970, and back to RFC 3339. Pure."""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

LAST_SECOND = 253_402_300_799  # 9999-12-31T23:59:59Z, the last that RFC 3339 can write
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

# A number is taken for the unit in which it lies between 1973 and 5138. Split's own documents show a `time` in seconds.
SECONDS_BELOW, MILLISECONDS_BELOW, MICROSECONDS_BELOW = 10**11, 10**14, 10**17


class NotATime(ValueError):  # noqa: N818  (it names what was found)
    """A value that is no time. The message is a reason without data, fit for a log."""


def milliseconds(value: Any) -> int | None:
    """Return a time as milliseconds since 1970: a number (seconds to nanoseconds), digits in a text, or ISO 8601.

    A time without a zone is UTC. Nothing (None or an empty text) stays None.

    Raises:
        NotATime: When the value is no time between the years 1970 and 9999.
    """
    if value is None or value == "":
        return None
    if isinstance(value, str):
        value = number_or_moment(value.strip())
    if isinstance(value, datetime):
        moment = value if value.tzinfo else value.replace(tzinfo=UTC)
        value = (moment - EPOCH) // timedelta(milliseconds=1)
    elif isinstance(value, bool) or not isinstance(value, (int, float)):
        raise NotATime("a time is neither a number nor a date")
    elif isinstance(value, float) and not math.isfinite(value):
        raise NotATime("a time is no finite number")
    elif value < SECONDS_BELOW:
        value = round(value * 1000)
    elif value >= MILLISECONDS_BELOW:
        value = value // (1000 if value < MICROSECONDS_BELOW else 1_000_000)
    if not 0 <= value <= LAST_SECOND * 1000:
        raise NotATime("a time lies outside the years 1970 to 9999")
    return int(value)


def number_or_moment(text: str) -> float | datetime:
    """Read a text as a number, else as a moment in ISO 8601 (with a space or `T`, `Z` or an offset)."""
    try:
        return int(text)
    except ValueError:
        pass
    try:
        return float(text)
    except ValueError:
        pass
    try:
        # datetime reads `Z`, and fractions of any length, only from Python 3.11 on.
        plain = re.sub(r"\.(\d+)", lambda digits: "." + digits[1][:6].ljust(6, "0"), text)
        return datetime.fromisoformat(re.sub(r"\s*(?:[zZ]|UTC)$", "+00:00", plain))
    except ValueError:
        raise NotATime("a time is neither a number nor a date") from None


@lru_cache(maxsize=65536)
def second_text(second: int) -> str:
    """Return a second since 1970 as `2026-01-01T10:00:00.`."""
    return (EPOCH + timedelta(seconds=second)).isoformat()[:19] + "."


FRACTIONS = [f"{fraction:03d}Z" for fraction in range(1000)]


def rfc3339(moment: int) -> str:
    """Return milliseconds since 1970 as `2026-01-01T10:00:00.123Z`."""
    return second_text(moment // 1000) + FRACTIONS[moment % 1000]


def moment_or_none(value: Any) -> int | None:
    """Return `milliseconds`, or None for what is no time."""
    try:
        return milliseconds(value)
    except NotATime:
        return None
