"""Time ranges, split into windows. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta

HOUR = timedelta(hours=1)


class RangeError(ValueError):
    """A range that cannot be backfilled; the message says what to do."""


# The one stream that `start_date` and `end_date` select exactly, whose bookmark says how far it is complete, and what
# the bookmark names. tap-split-impressions reads files, each once.
RANGED_TAP, RANGED_STREAM, REPLICATION_KEY = "tap-amplitude", "events", "export_hour"


@dataclass(frozen=True)
class Window:
    """From `start` (inclusive) to `end` (exclusive)."""

    start: datetime
    end: datetime

    @property
    def suffix(self) -> str:
        """The suffix of its state id. The same window always continues where it stopped."""
        return f"backfill-{self.start:%Y%m%dT%H}-{self.end:%Y%m%dT%H}"


@dataclass(frozen=True)
class Backfill:
    """A range to backfill in windows, the last perhaps shorter, and the id of the state that continues from its end."""

    state_id: str
    start: datetime
    end: datetime
    window: timedelta

    def __post_init__(self) -> None:
        for name, moment in (("start", self.start), ("end", self.end)):
            if moment.utcoffset() != timedelta(0) or moment.minute or moment.second or moment.microsecond:
                raise RangeError(f"'{name}' must be a whole hour in UTC, not {moment.isoformat()}.")
        if self.end <= self.start:
            raise RangeError("'end' must be later than 'start'.")

    def windows(self) -> Iterator[Window]:
        """Yield the windows in order: together they are the range, and no two share an hour."""
        start = self.start
        while start < self.end:
            end = min(start + self.window, self.end)
            yield Window(start, end)
            start = end

    @property
    def interval(self) -> str:
        """The range as ISO 8601 writes an interval."""
        return f"{text_of(self.start)}/{text_of(self.end)}"

    def to_json(self) -> str:
        """Return this as JSON, for a task's environment."""
        times = {"start": text_of(self.start), "end": text_of(self.end), "window": self.window // HOUR}
        return json.dumps(asdict(self) | times)

    @classmethod
    def from_json(cls, text: str) -> Backfill:
        """Return what `to_json` wrote."""
        content = json.loads(text)
        return cls(
            content["state_id"],
            moment_of(content["start"]),
            moment_of(content["end"]),
            content["window"] * HOUR,
        )


def moment_of(text: str) -> datetime:
    """Return an ISO 8601 text as a time in UTC; without a zone it is UTC.

    Raises:
        RangeError: It is not a date or time.
    """
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise RangeError(f"'{text}' is not a date or time such as 2026-03-14 or 2026-03-14T09:00:00Z.") from None
    return moment.replace(tzinfo=moment.tzinfo or UTC).astimezone(UTC)


def text_of(moment: datetime) -> str:
    """Return a time in UTC as taps read it."""
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"
