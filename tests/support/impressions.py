"""Impressions as `tap-split-impressions` emits them, as Singer messages."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

TEXT = {"type": ["string", "null"]}
SCHEMA = {
    "type": "object",
    "properties": {
        "impression_id": {"type": "string"},
        "key": TEXT,
        "bucketing_key": TEXT,
        "split": TEXT,
        "treatment": TEXT,
        "label": TEXT,
        "time": {"type": ["string", "null"], "format": "date-time"},
        "split_version_number": {"type": ["integer", "null"]},
        "environment_id": TEXT,
        "environment_name": TEXT,
        "traffic_type": TEXT,
        "sdk": TEXT,
        "sdk_version": TEXT,
        "machine_name": TEXT,
        "machine_ip": TEXT,
        "properties": {"type": ["object", "null"]},
        "previous_time": {"type": ["string", "null"], "format": "date-time"},
        "received_at": {"type": ["string", "null"], "format": "date-time"},
    },
}


def schema_message(stream: str = "impressions") -> dict[str, Any]:
    return {"type": "SCHEMA", "stream": stream, "schema": SCHEMA, "key_properties": ["impression_id"]}


def impression(number: int, **changes: Any) -> dict[str, Any]:
    """One impression; its number makes it distinct, `changes` replace columns."""
    seconds, milliseconds = divmod(number, 1000)
    return {
        "impression_id": f"{number:032x}",
        "key": f"user-{number:06}",
        "bucketing_key": None,
        "split": "checkout_redesign",
        "treatment": "on",
        "label": "default rule",
        "time": f"2026-03-14T{seconds // 3600 % 24:02}:{seconds // 60 % 60:02}:{seconds % 60:02}.{milliseconds:03}Z",
        "split_version_number": 1767000000456,
        "environment_id": "env-prod",
        "environment_name": "Production",
        "traffic_type": "user",
        "sdk": "python",
        "sdk_version": "10.7.0",
        "machine_name": "ip-10-2-4-19",
        "machine_ip": "10.2.4.19",
        "properties": None,
        "previous_time": None,
        "received_at": "2026-03-14T09:30:00.000Z",
        **changes,
    }


def record_message(record: dict[str, Any], stream: str = "impressions") -> dict[str, Any]:
    return {"type": "RECORD", "stream": stream, "record": record}


def state_message(**value: Any) -> dict[str, Any]:
    return {"type": "STATE", "value": value}


def messages(records: Iterable[dict[str, Any]], every: int = 0) -> Iterator[dict[str, Any]]:
    """SCHEMA, the records with a STATE after each `every`, and a last STATE that says how many came."""
    yield schema_message()
    number = 0
    for number, record in enumerate(records, start=1):
        yield record_message(record)
        if every and number % every == 0:
            yield state_message(read=number)
    yield state_message(read=number)
