"""The sandbox's clock, and the formats of the services' times."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

MILLISECONDS_PER_HOUR = 3_600_000
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
FAR_PAST = datetime.min.replace(tzinfo=UTC)
FAR_FUTURE = datetime.max.replace(tzinfo=UTC)


class Clock:
    """Real time, and the upload time that Amplitude gives to what arrives.

    Args:
        upload_offset_seconds: added to the real time for `server_upload_time`; with a negative value, what
            arrives now is exportable at once, as if it had arrived hours ago.
    """

    def __init__(self, upload_offset_seconds: float = 0) -> None:
        self.upload_offset_ms = round(upload_offset_seconds * 1000)

    def now_ms(self) -> int:
        """Real time in epoch milliseconds."""
        return time.time_ns() // 1_000_000

    def upload_ms(self) -> int:
        """Amplitude's `server_upload_time` of something that arrives now, in epoch milliseconds."""
        return self.now_ms() + self.upload_offset_ms


def from_ms(milliseconds: int) -> datetime:
    """Epoch milliseconds as a UTC time; times out of range become the first or last one possible."""
    try:
        return EPOCH + timedelta(milliseconds=milliseconds)
    except OverflowError:
        return FAR_FUTURE if milliseconds > 0 else FAR_PAST


def to_ms(moment: datetime) -> int:
    """A time as epoch milliseconds; without a zone it is UTC."""
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return (aware - EPOCH) // timedelta(milliseconds=1)


def export_text(milliseconds: int) -> str:
    """A time as the Export API writes it: `YYYY-MM-DD HH:MM:SS.ffffff`, UTC."""
    # The C library writes years before 1000 with fewer than four digits.
    return f"{from_ms(milliseconds):%Y-%m-%d %H:%M:%S.%f}".rjust(26, "0")


def parse_ms(text: str) -> int:
    """A time as the Export API writes it, or RFC 3339, as epoch milliseconds.

    Raises:
        ValueError: the text is not a time.
    """
    return to_ms(datetime.fromisoformat(text))
