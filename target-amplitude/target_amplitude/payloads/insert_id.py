"""The ids by which Amplitude recognises what it has already taken, derived from records alone. Pure.

Amplitude drops an event whose `insert_id` it saw in the last 7 days
(https://amplitude.com/docs/apis/analytics/http-v2, "Event deduplication"). The same record gives the same id in
every run, and the ways to load one record give different ones.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from target_amplitude.api.limits import MAX_TEXT, SURROGATE
from target_amplitude.common.record_paths import Getter, Record
from target_amplitude.payloads.impressions import NATURAL_KEY

# Milliseconds of the periods of `dedupe`, cut at the UTC clock.
PERIODS = {"hour": 3_600_000, "day": 86_400_000}
DIGEST_BYTES = 16

InsertId = Callable[[Record, dict[str, Any]], str]

encode = msgspec.json.Encoder().encode


def digest(*parts: Any) -> str:
    """Return 32 hex digits that stand for some JSON values, in order."""
    try:
        text = encode(parts)
    except UnicodeEncodeError:  # lone surrogates, which only Python's own writer can put into words
        text = json.dumps(parts).encode()
    return hashlib.blake2b(text, digest_size=DIGEST_BYTES).hexdigest()


def of_impression(way: str) -> InsertId:
    """Return the id of each impression: its `impression_id`, marked by the way it is loaded unless as an event."""
    mark = "" if way == "event" else f"-{way}"

    def insert_id(impression: Record, _: dict[str, Any]) -> str:
        own = impression.get("impression_id")
        if type(own) is not str or not own or own.isspace():
            own = digest(*(impression.get(column) for column in NATURAL_KEY))
        return own + mark

    return insert_id


def of_impression_period(way: str, period: str) -> InsertId:
    """Return one id for all impressions of a user, flag and treatment within an hour or a day."""
    length = PERIODS[period]

    def insert_id(impression: Record, event: dict[str, Any]) -> str:
        user, device = event.get("user_id"), event.get("device_id")
        flag, treatment = impression.get("split"), impression.get("treatment")
        return digest(way, period, user, device, flag, treatment, event["time"] // length)

    return insert_id


def of_record(way: str, stream: str, keys: Sequence[str]) -> InsertId:
    """Return the id of a record of any stream: from its key properties, or from all of it where one is missing."""

    def insert_id(record: Record, _: dict[str, Any]) -> str:
        values = [record.get(key) for key in keys]
        if not values or None in values:
            return digest(way, stream, record)
        return digest(way, stream, *values)

    return insert_id


def of_source(get: Getter, derived: InsertId) -> InsertId:
    """Return the id that a record brings along; a derived one where it brings none."""

    def insert_id(record: Record, event: dict[str, Any]) -> str:
        own = get(record)
        if own is None or own == "":
            return derived(record, event)
        text = own if isinstance(own, str) else json.dumps(own, separators=(",", ":"))
        # A longer one Amplitude would cut; lone surrogates no request can carry.
        return text if len(text) <= MAX_TEXT and not SURROGATE.search(text) else digest(text)

    return insert_id
