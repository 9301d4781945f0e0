"""Rows as tap-amplitude emits them: exported events and members of cohorts."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

START = datetime(2026, 3, 14, 9, 26, 53, 589000, tzinfo=UTC)
START_MS = 1773480413589

TEXT = {"type": ["string", "null"]}
NUMBER = {"type": ["integer", "null"]}
OBJECT = {"type": ["object", "null"], "additionalProperties": True}
EVENT_SCHEMA = {
    "type": "object",
    "additionalProperties": True,
    "properties": {
        **dict.fromkeys(("uuid", "event_type", "event_time", "user_id", "device_id"), TEXT),
        **dict.fromkeys(("platform", "country", "city", "ip_address", "version_name"), TEXT),
        **dict.fromkeys(("event_properties", "user_properties", "groups"), OBJECT),
    },
}
MEMBER_SCHEMA = {
    "type": "object",
    "properties": {
        **dict.fromkeys(("cohort_id", "cohort_name", "user_id"), TEXT),
        **dict.fromkeys(("cohort_size", "amplitude_id"), NUMBER),
        "user_properties": OBJECT,
    },
}


def event(number: int = 0, **changes: Any) -> dict[str, Any]:
    """An exported event; the number makes its id, its user and its time (seconds after `START`)."""
    moment = START + timedelta(seconds=number)
    return {
        "uuid": f"7b0d6a52-1f86-11f1-8d55-{number:012x}",
        "event_type": "[Amplitude] Page Viewed",
        "event_time": moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        "user_id": f"user-{number:04}",
        "device_id": f"device-{number:04}",
        "event_properties": {"path": "/cart", "cart": {"total": 41.9, "items": 3}, "tags": ["été", "web"]},
        "user_properties": {"plan": "pro"},
        "groups": {},
        "platform": "iOS",
        "country": "Japan",
        "city": None,
        "ip_address": "203.0.113.9",
        "version_name": "4.2.0",
    } | changes


def member(number: int, cohort: str = "ab12cd3", name: str = "Power users", **changes: Any) -> dict[str, Any]:
    """A member of a cohort."""
    return {
        "cohort_id": cohort,
        "cohort_name": name,
        "cohort_size": None,
        "amplitude_id": 200_000_000_000 + number,
        "user_id": f"user-{number:04}",
        "user_properties": {},
    } | changes


def members(count: int, cohort: str = "ab12cd3", name: str = "Power users", **changes: Any) -> list[dict[str, Any]]:
    """All members of a cohort, as a complete list."""
    return [member(number, cohort, name, **({"cohort_size": count} | changes)) for number in range(count)]


def events_messages(records: Iterable[dict[str, Any]], stream: str = "events", **schema: Any) -> list[dict[str, Any]]:
    """SCHEMA, the records, a STATE after each ten and a last one."""
    return stream_messages(stream, {"schema": EVENT_SCHEMA, "key_properties": ["uuid"]} | schema, records)


def members_messages(
    records: Iterable[dict[str, Any]], stream: str = "cohort_members", **schema: Any
) -> list[dict[str, Any]]:
    """SCHEMA, the records and STATEs; ACTIVATE_VERSION is the caller's to add."""
    keys = ["cohort_id", "amplitude_id"]
    return stream_messages(stream, {"schema": MEMBER_SCHEMA, "key_properties": keys} | schema, records)


def stream_messages(stream: str, schema: dict[str, Any], records: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """The messages of one stream."""
    messages: list[dict[str, Any]] = [{"type": "SCHEMA", "stream": stream, **schema}]
    read = 0
    for record in records:
        read += 1
        messages.append({"type": "RECORD", "stream": stream, "record": record})
        if read % 10 == 0:
            messages.append({"type": "STATE", "value": {"read": read}})
    messages.append({"type": "STATE", "value": {"read": read}})
    return messages
