"""The one rule for times in data: every usual notation becomes an exact moment, any other is refused. Pure.

| written as (text or number) | read as |
| --- | --- |
| RFC 3339, any fraction and offset; `2026-04-02 08:15`, `2026-04-02`, `+02`, `UTC`, `20260402T081530Z` | that moment |
| no offset | UTC |
| 8 digits that are a date from 1970 to 2099: `20260402` | that day |
| 10, 12, 14 digits that are a date from 2000 to 2099 with hour, minute, second: `2026040208` | that moment |
| other 9 to 10 digits, perhaps with a fraction: `1712010112.345` | seconds since 1970 (1973 to 2286) |
| other 12 to 13 digits | milliseconds since 1970 |
| 15 to 16 digits | microseconds since 1970 |
| 18 to 19 digits | nanoseconds since 1970 |
| all other numbers: 0, negative, 5 digits, 11 digits, … | refused: nobody can tell their unit |
| a text with an exponent that lost digits, such as Excel's `1.77236E+12` | refused: hours off |
| before the year 1 or after 9999 in UTC | refused |

Ten digits that begin with 20 could be seconds only from May 2033 on.
"""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime, timedelta, timezone
from functools import lru_cache
from typing import Any

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
DAY, DAY_MILLISECONDS = 86_400_000_000, 86_400_000
FIRST, LAST = -62_135_596_800_000_000, 253_402_300_799_999_999  # the years 1 to 9999, in microseconds

# RFC 3339 with any fraction, and what databases print: a space for the T, no seconds, no offset, a short offset; ISO
# 8601 without dashes and colons.
MOMENT = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)(?:[Tt ](\d\d):(\d\d)(?::(\d\d)(?:[.,](\d+))?)?\s?(?:[Zz]|UTC|([+-])(\d\d):?(\d\d)?)?)?",
    re.ASCII,
)
BASIC = re.compile(
    r"(\d{4})(\d\d)(\d\d)[Tt](\d\d)(\d\d)(\d\d)?(?:[.,](\d+))?(?:[Zz]|UTC|([+-])(\d\d):?(\d\d)?)?", re.ASCII
)
NUMBER = re.compile(r"[+-]?\d+(?:\.(\d*))?(?:[eE]\+?(\d+))?", re.ASCII)

# Digits before the point of an epoch, and its unit in microseconds (nanoseconds are divided).
UNITS = {9: 1_000_000, 10: 1_000_000, 12: 1_000, 13: 1_000, 15: 1, 16: 1}
NANOSECONDS = (18, 19)
COMPACT_YEARS = {8: range(1970, 2100), 10: range(2000, 2100), 12: range(2000, 2100), 14: range(2000, 2100)}
LONGEST_NUMBER = 40

# Milliseconds, by far the most usual numbers, need no look at their digits.
USUAL_MILLISECONDS = range(10**12, 10**13)
SHORTEST_UTC = len("2026-04-02T08:15:30Z")


def epoch_milliseconds(value: Any) -> int:
    """Return a time as whole milliseconds since 1970-01-01 UTC, finer parts cut off.

    Args:
        value: A time in one of the notations above.

    Raises:
        ValueError: It is not. The message does not hold the value.

    Example:
        >>> epoch_milliseconds("2026-04-02T08:15:30.1239Z"), epoch_milliseconds(20260402)
        (1775117730123, 1775088000000)
    """
    if type(value) is int and value in USUAL_MILLISECONDS:
        return value
    if type(value) is str and len(value) >= SHORTEST_UTC and value[4] == value[7] == "-" and value[-1] == "Z":
        try:  # the most usual texts, likewise
            since = datetime.fromisoformat(value) - EPOCH
        except ValueError:
            pass
        else:
            return since.days * DAY_MILLISECONDS + since.seconds * 1000 + since.microseconds // 1000
    return epoch_microseconds(value) // 1000


def epoch_microseconds(value: Any) -> int:
    """Return a time as whole microseconds since 1970-01-01 UTC; otherwise as `epoch_milliseconds`."""
    if isinstance(value, str):
        moment = _from_text(value)
    elif isinstance(value, datetime):
        moment = _since_epoch(value)
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        moment = _from_number(value)
    else:
        raise ValueError("neither a text nor a number")  # noqa: TRY004  # a value, to whoever reads data
    if not FIRST <= moment <= LAST:
        raise ValueError("a time outside the years 1 to 9999")
    return moment


def _from_text(text: str) -> int:
    # Only what has dashes: the standard parser would take the digits of some epochs for a date.
    if text[4:8:3] == "--":
        try:
            return _since_epoch(datetime.fromisoformat(text))
        except ValueError:
            return _since_epoch(_moment(MOMENT, text))
    text = text.strip()
    if text[4:8:3] == "--" or text[8:9] in {"T", "t"}:
        return _since_epoch(_moment(BASIC if text[8:9] in {"T", "t"} else MOMENT, text))
    return _from_number(_number(text))


def _since_epoch(moment: datetime) -> int:
    since = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - EPOCH
    return since.days * DAY + since.seconds * 1_000_000 + since.microseconds


def _moment(notation: re.Pattern[str], text: str) -> datetime:
    """Return the time that a text writes, with its offset, or UTC."""
    match = notation.fullmatch(text)
    if match is None:
        raise ValueError("a text that is neither RFC 3339 nor a number")
    *numbers, fraction, sign, offset_hours, offset_minutes = match.groups()
    year, month, day, hour, minute, second = (int(number or 0) for number in numbers)
    offset = timedelta(hours=int(offset_hours or 0), minutes=int(offset_minutes or 0))
    is_leap = second == 60  # RFC 3339 allows a leap second
    microsecond = int((fraction or "0")[:6].ljust(6, "0"))
    try:
        zone = timezone(-offset if sign == "-" else offset)
        moment = datetime(year, month, day, hour, minute, 59 if is_leap else second, microsecond, zone)
        return moment + timedelta(seconds=1) if is_leap else moment
    except (ValueError, OverflowError):
        raise ValueError("a date or time of day that does not exist") from None


def _number(text: str) -> int | float:
    """Return the number that a text writes, unless an exponent has taken some of its digits."""
    match = NUMBER.fullmatch(text) if len(text) <= LONGEST_NUMBER else None
    if match is None:
        raise ValueError("a text that is neither RFC 3339 nor a number")
    fraction, exponent = match.groups()
    if exponent and len(fraction or "") < int(exponent):
        raise ValueError("a number in scientific notation that has lost its last digits")
    return float(text) if exponent or fraction else int(text.partition(".")[0])


def _from_number(number: float) -> int:
    """Return microseconds from a number whose digits tell what it is."""
    if isinstance(number, float) and not math.isfinite(number):  # of a large integer `isfinite` raises
        raise ValueError("not a finite number")
    whole = int(number)
    digits = len(str(whole)) if 0 < whole < 10**20 else 0
    if digits in COMPACT_YEARS and number == whole and (moment := _compact(str(whole))) is not None:
        return moment
    if digits in NANOSECONDS:
        return whole // 1000
    if digits not in UNITS:
        raise ValueError("a number that is neither a date nor a time since 1970 in a unit that can be told")
    unit = UNITS[digits]
    # 1767261600.123 has no exact binary form and would lose its last millisecond if cut off.
    return whole * unit if number == whole else round(number * unit)


def _compact(digits: str) -> int | None:
    """Return the moment of `20260402`, `2026040208`, `202604020815` or `20260402081530`; None when it is not one."""
    year, *others = (int(part) for part in re.findall(r"^\d{4}|\d\d", digits))
    if year not in COMPACT_YEARS[len(digits)]:
        return None
    try:
        return _since_epoch(datetime(year, *others))  # type: ignore[arg-type]  # noqa: DTZ001  # UTC
    except ValueError:
        return None


FRACTIONS = [f"{fraction:03d}Z" for fraction in range(1000)]


def rfc3339(milliseconds: int) -> str:
    """Return milliseconds since 1970 as `2026-01-01T10:00:00.123Z`.

    Raises:
        OverflowError: Before the year 1 or after 9999.
    """
    return _second_text(milliseconds // 1000) + FRACTIONS[milliseconds % 1000]


@lru_cache(maxsize=65536)
def _second_text(second: int) -> str:
    return (EPOCH + timedelta(seconds=second)).isoformat()[:19] + "."
