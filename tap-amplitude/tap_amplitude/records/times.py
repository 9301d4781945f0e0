"""Times: settings and state to UTC, Amplitude's texts to RFC 3339."""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import compress, count

# Forms of Amplitude's times with `T` and all digits zero: how one ends, and what RFC 3339 with six digits has there.
ENDINGS = {
    f"0000-00-00T00:00:00{fraction}{zone}": (zone, f"{completion}Z")
    for fraction, completion in (("", ".000000"), (".000", "000"), (".000000", ""))
    for zone in ("", "Z")
}
DIGITS_TO_ZERO = str.maketrans("123456789", "000000000")
# Pythons from 3.13 on read 24:00 as the next day's 00:00, which RFC 3339 does not know.
READS_HOUR_24 = sys.version_info >= (3, 13)
# Epoch numbers above this are milliseconds: as seconds they would lie beyond the year 5000.
LARGEST_EPOCH_SECONDS = 10**11


def parse_time(text: str) -> datetime:
    """Return a date or time of a setting or a state as an aware UTC time; without a zone it is UTC.

    Raises:
        ValueError: The text is not a time.
    """
    moment = datetime.fromisoformat(text.strip())
    return to_utc(moment if moment.tzinfo else moment.replace(tzinfo=UTC))


def to_utc(moment: datetime) -> datetime:
    """Return an aware time as UTC.

    Raises:
        ValueError: In UTC it does not lie within the years 1 to 9999.
    """
    try:
        return moment.astimezone(UTC)
    except OverflowError as error:
        raise ValueError(moment) from error


def rfc3339(moment: datetime) -> str:
    """Return `2026-03-14T09:26:53.589000Z`: UTC, always with six digits."""
    return rfc3339_of_utc(to_utc(moment).replace(tzinfo=None))


def rfc3339_of_utc(moment: datetime) -> str:
    """Return a UTC time that names no zone as RFC 3339."""
    return f"{moment.isoformat(timespec='microseconds')}Z"


def rfc3339_of_text(text: str) -> str:
    """Return Amplitude's `2026-03-14 09:26:53.589000` as RFC 3339.

    A `T` between date and time, a missing or shorter fraction and a zone are read as well; without a zone the time is
    UTC (https://amplitude.com/docs/apis/analytics/export).

    Raises:
        ValueError: The text is not a time.
    """
    moment = datetime.fromisoformat(text)
    return rfc3339(moment) if moment.tzinfo else rfc3339_of_utc(moment)


def rfc3339_of_texts(texts: Sequence[str]) -> list[str | None]:
    """Return what `rfc3339_of_text` returns of each, None for what is not a time; faster for Amplitude's own forms."""
    if not texts:
        return []
    lines = "\n".join(texts).replace(" ", "T")
    if (READS_HOUR_24 and "T24" in lines) or lines.count("\n") >= len(texts):
        return [*map(rfc3339_or_none, texts)]
    zeros = lines.translate(DIGITS_TO_ZERO)
    first = zeros.partition("\n")[0]
    if first in ENDINGS and zeros == "\n".join([first] * len(texts)):
        return rfc3339_of_form(first, texts, lines)
    return rfc3339_of_mixed(texts, zeros.split("\n"))


def rfc3339_of_mixed(texts: Sequence[str], forms: Sequence[str]) -> list[str | None]:
    """Return the times of texts that have several forms: those of the first known one together, then the others.

    Args:
        texts: As Amplitude wrote them.
        forms: The same with all digits zero.
    """
    form = next((form for form in forms if form in ENDINGS), None)
    if form is None:
        return [*map(rfc3339_or_none, texts)]
    others = [*compress(count(), map(form.__ne__, forms))]
    alike, substitute = list(texts), texts[forms.index(form)]
    for position in others:
        alike[position] = substitute  # converted in its place and then overwritten
    times = rfc3339_of_form(form, alike, "\n".join(alike).replace(" ", "T"))
    for position, time in zip(others, rfc3339_of_texts([texts[position] for position in others]), strict=True):
        times[position] = time
    return times


def rfc3339_of_form(form: str, texts: Sequence[str], lines: str) -> list[str | None]:
    """Return times that all have the same of the forms of `ENDINGS`.

    Args:
        form: Which one.
        texts: As Amplitude wrote them.
        lines: The same with `T`, one a line.
    """
    if not exist(texts):
        return [*map(rfc3339_or_none, texts)]
    end, completion = ENDINGS[form]
    return [*f"{lines}\n".replace(f"{end}\n", f"{completion}\n").split("\n")[:-1]]


def exist(texts: Sequence[str]) -> bool:
    """Whether all texts are times that the calendar has."""
    try:
        deque(map(datetime.fromisoformat, texts), maxlen=0)  # a loop without Python in it
    except ValueError:
        return False
    return True


def rfc3339_or_none(text: str) -> str | None:
    """Return what `rfc3339_of_text` returns, None when that is not a time."""
    try:
        return rfc3339_of_text(text)
    except ValueError:
        return None


def rfc3339_of_epoch(number: float) -> str:
    """Return epoch seconds, or milliseconds when so large, as RFC 3339.

    Raises:
        ValueError: No time within the years 1 to 9999.
    """
    try:
        seconds = number / 1000 if abs(number) > LARGEST_EPOCH_SECONDS else number
        return rfc3339(datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds))
    except OverflowError as error:
        raise ValueError(number) from error
