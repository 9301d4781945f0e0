"""Times: settings and state to UTC, Amplitude's texts to RFC 3339."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

USUAL_FORM = "0000-00-00T00:00:00.000000"
DIGITS_TO_ZERO = str.maketrans("123456789", "000000000")
# Epoch numbers above this are milliseconds: as seconds they would lie beyond the year 5000.
LARGEST_EPOCH_SECONDS = 10**11


def parse_time(text: str) -> datetime:
    """Return a date or time of a setting or a state as an aware UTC time; without a zone it is UTC.

    Raises:
        ValueError: The text is no time.
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
        ValueError: The text is no time.
    """
    moment = datetime.fromisoformat(text)
    return rfc3339(moment) if moment.tzinfo else rfc3339_of_utc(moment)


def rfc3339_of_texts(texts: Sequence[str]) -> list[str | None]:
    """Return what `rfc3339_of_text` returns of each, None for what is no time; sooner when all are usual."""
    try:
        return [*rfc3339_of_usual(texts)]
    except ValueError:
        return [*map(rfc3339_or_none, texts)]


def rfc3339_or_none(text: str) -> str | None:
    """Return what `rfc3339_of_text` returns, None when that is no time."""
    try:
        return rfc3339_of_text(text)
    except ValueError:
        return None


def rfc3339_of_usual(texts: Sequence[str]) -> list[str]:
    """Return many texts as RFC 3339, all at once: all of the form `2026-03-14 09:26:53.589000`, or that with a `T`.

    Raises:
        ValueError: One has not, or is no time.
    """
    if not texts:
        return []
    lines = "\n".join(texts).replace(" ", "T")
    # Newer Pythons read 24:00 as the next day's 00:00, which RFC 3339 does not know.
    if "T24" in lines or lines.translate(DIGITS_TO_ZERO) != "\n".join([USUAL_FORM] * len(texts)):
        raise ValueError(texts)
    for _ in map(datetime.fromisoformat, texts):
        pass
    return f"{lines}\n".replace("\n", "Z\n").split("\n")[:-1]


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
