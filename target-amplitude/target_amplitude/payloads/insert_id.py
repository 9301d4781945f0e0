"""The ids by which Amplitude recognizes repeats, derived from records alone. Pure.

Amplitude drops an event whose `insert_id` it saw in the last 7 days
(https://amplitude.com/docs/apis/analytics/http-v2, "Event deduplication"). The same record gives the same id in every
run, whatever the order of its members and however its numbers are written; each way of loading gives other ids.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Any, Protocol

import msgspec

from target_amplitude.api.limits import MAX_TEXT, SURROGATE, visible
from target_amplitude.common.record_paths import Getter, Record
from target_amplitude.payloads.impressions import NATURAL_KEY

# Milliseconds of the periods of `dedupe`, by the UTC clock.
PERIODS = {"hour": 3_600_000, "day": 86_400_000}
DIGEST_BYTES = 16

_encode = msgspec.json.Encoder(order="deterministic").encode


class InsertId(Protocol):
    """Gives the `insert_id` of a record."""

    def read(self, record: Record, event: dict[str, Any]) -> str:
        """Return the id.

        Args:
            record: The record.
            event: What was made of it so far: ids and time at least.
        """


class ImpressionInsertId:
    """The `impression_id` of each impression, marked by the way of loading unless as an event."""

    def __init__(self, load_as: str) -> None:
        self._mark = "" if load_as == "event" else f"-{load_as}"

    def read(self, record: Record, event: dict[str, Any]) -> str:
        """Return the impression's own id, or a digest of its natural key."""
        own = record.get("impression_id")
        if type(own) is not str or not own or own.isspace():
            own = digest(*(canonical(record.get(column)) for column in NATURAL_KEY))
        return own + self._mark


class PeriodInsertId:
    """One id for all impressions of a user, flag and treatment within an hour or a day."""

    def __init__(self, load_as: str, period: str) -> None:
        self._load_as = load_as
        self._period = period
        self._length = PERIODS[period]

    def read(self, record: Record, event: dict[str, Any]) -> str:
        """Return the id of the impression's period."""
        return digest(
            self._load_as,
            self._period,
            event.get("user_id"),
            event.get("device_id"),
            record.get("split"),
            record.get("treatment"),
            event["time"] // self._length,
        )


class RecordInsertId:
    """A digest of a record's key properties, or of the whole record where it has no complete key."""

    def __init__(self, load_as: str, stream: str, keys: Sequence[str]) -> None:
        self._load_as = load_as
        self._stream = stream
        self._keys = keys

    def read(self, record: Record, event: dict[str, Any]) -> str:
        """Return the digest."""
        values = [canonical(record.get(key)) for key in self._keys]
        if not values or None in values:
            return digest(self._load_as, self._stream, canonical(record))
        return digest(self._load_as, self._stream, *values)


class SourceInsertId:
    """The id that a record brings along; a derived one where it brings none."""

    def __init__(self, get: Getter, derived: InsertId) -> None:
        self._get = get
        self._derived = derived

    def read(self, record: Record, event: dict[str, Any]) -> str:
        """Return the record's own id."""
        own = self._get(record)
        if own is None or (isinstance(own, str) and not visible(own)):
            return self._derived.read(record, event)
        text = own if isinstance(own, str) else json.dumps(canonical(own), sort_keys=True, separators=(",", ":"))
        # Amplitude would truncate a longer one, and JSON cannot carry lone surrogates.
        return text if len(text) <= MAX_TEXT and (text.isascii() or not SURROGATE.search(text)) else digest(text)


def canonical(value: Any) -> Any:
    """Return a JSON value in which equal numbers are written alike: `12345.0` as `12345`."""
    if type(value) is str or value is None:
        return value
    if isinstance(value, float):
        return int(value) if value.is_integer() else value
    if isinstance(value, dict):
        return {name: canonical(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [canonical(inner) for inner in value]
    return value


def digest(*parts: Any) -> str:
    """Return 32 hex digits that stand for some JSON values, in order."""
    try:
        text = _encode(parts)
    except UnicodeEncodeError:  # lone surrogates, which only Python's own encoder can write
        text = json.dumps(parts, sort_keys=True).encode()
    return hashlib.blake2b(text, digest_size=DIGEST_BYTES).hexdigest()
