"""Any usual way to write a time, as exact milliseconds since 1970. Pure.

The same file stands in both targets (they share no library); a test holds the copies equal.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
DAY = 86_400_000

# A number's unit follows from its size. 10^11 is the year 5138 in seconds and March 1973 in milliseconds, so every
# time from 1973 to 5138 is read rightly in each unit.
LARGEST_SECONDS = 10**11
LARGEST_MILLISECONDS = 10**14
LARGEST_MICROSECONDS = 10**17

# RFC 3339 with any fraction, and what databases print: a space for the T, no seconds, no offset, a short offset.
MOMENT = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)(?:[Tt ](\d\d):(\d\d)(?::(\d\d)(?:[.,](\d+))?)?\s?(?:[Zz]|UTC|([+-])(\d\d):?(\d\d)?)?)?",
    re.ASCII,
)
NUMBER = re.compile(r"[+-]?\d+(\.\d*)?([eE][+-]?\d+)?", re.ASCII)


def epoch_milliseconds(value: Any) -> int:
    """Return a time as whole milliseconds since 1970-01-01 UTC, finer parts cut off.

    Args:
        value: RFC 3339 text with any fraction and offset (`T` or a space; UTC without an offset), a date, or a number
            (also as text) of seconds, milliseconds, microseconds or nanoseconds.

    Raises:
        ValueError: It is no time. The message does not hold the value.
    """
    if isinstance(value, str):
        # Only what is written with dashes: the standard parser would take the digits of some epochs for a date.
        if value[4:8:3] != "--":
            return from_number(number_in(value))
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:  # rarer forms; before Python 3.11 also the usual ones
            moment = parse_moment(value)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        since = moment - EPOCH
        return since.days * DAY + since.seconds * 1000 + since.microseconds // 1000
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return from_number(value)
    raise ValueError("neither a text nor a number")


def parse_moment(text: str) -> datetime:
    """Return the time that a text writes, with its offset, or UTC.

    Raises:
        ValueError: It writes none.
    """
    match = MOMENT.fullmatch(text)
    if match is None:
        raise ValueError("a text that is neither RFC 3339 nor a number")
    *numbers, fraction, sign, offset_hours, offset_minutes = match.groups()
    year, month, day, hour, minute, second = (int(number or 0) for number in numbers)
    offset = timedelta(hours=int(offset_hours or 0), minutes=int(offset_minutes or 0))
    leap = second == 60  # RFC 3339 allows a leap second
    try:
        moment = datetime(
            year,
            month,
            day,
            hour,
            minute,
            59 if leap else second,
            int((fraction or "0")[:6].ljust(6, "0")),
            timezone(-offset if sign == "-" else offset),
        )
        return moment + timedelta(seconds=1) if leap else moment
    except (ValueError, OverflowError):
        raise ValueError("a date or time of day that does not exist") from None


def number_in(text: str) -> int | float:
    """Return the number that a text writes.

    Raises:
        ValueError: It writes none.
    """
    match = NUMBER.fullmatch(text.strip())
    if match is None:
        raise ValueError("a text that is neither RFC 3339 nor a number")
    return float(text) if any(match.groups()) else int(text)


def from_number(number: float) -> int:
    """Return milliseconds from a number whose size tells its unit.

    Raises:
        ValueError: It is not finite.
    """
    size = abs(number)
    if not size < float("inf"):
        raise ValueError("not a finite number")
    if size < LARGEST_SECONDS:
        # Through microseconds: 1767261600.123 has no exact binary form and would lose its last millisecond.
        return round(number * 1_000_000) // 1_000
    if size < LARGEST_MILLISECONDS:
        return int(number // 1)
    if size < LARGEST_MICROSECONDS:
        return int(number // 1_000)
    return int(number // 1_000_000)
