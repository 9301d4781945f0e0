"""The least that must be done: decode the lines, make the events, post them. `floor.py URL < input`.

No validation, no limits, no ledger, no order of STATE: the time that the same libraries need for the same requests.
"""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from typing import Any

import msgspec
import requests

COLUMNS = (
    *("platform", "os_name", "os_version", "device_family", "device_type", "language", "country", "region", "city"),
    *("version_name", "start_version", "library", "paying"),
)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MOST_BYTES = 1_000_000

encode = msgspec.json.Encoder().encode


def flatten(name: str, value: Any, properties: dict[str, Any]) -> None:
    """Put a value, or what is in it, among the properties."""
    if isinstance(value, dict):
        for inner, part in value.items():
            flatten(f"{name}.{inner}", part, properties)
    elif isinstance(value, list):
        properties[name] = encode(value).decode()[:256]
    elif value is not None:
        properties[name] = value


def make(record: dict[str, Any]) -> bytes:
    """Make an event."""
    properties: dict[str, Any] = {}
    flatten("event_properties", record["event_properties"], properties)
    flatten("groups", record["groups"], properties)
    for column in COLUMNS:
        if (value := record[column]) is not None:
            properties[column] = value
    moment = datetime.fromisoformat(record["event_time"])
    return encode(
        {
            "eventTypeId": "amp." + record["event_type"].replace(" ", "_").replace("[", "").replace("]", ""),
            "trafficTypeName": "user",
            "key": record["user_id"],
            "timestamp": int((moment - EPOCH).total_seconds() * 1000),
            "properties": properties,
        }
    )


def main() -> None:
    """Read, make, post."""
    url = sys.argv[1] + "/api/events/bulk"
    session = requests.Session()
    decode = msgspec.json.Decoder().decode
    events: list[bytes] = []
    size = 0

    def post() -> None:
        session.post(url, data=b"[" + b",".join(events) + b"]").raise_for_status()
        events.clear()

    for line in sys.stdin.buffer:
        message = decode(line)
        if message["type"] != "RECORD" or message["record"]["user_id"] is None:
            continue
        event = make(message["record"])
        if size + len(event) + 2 > MOST_BYTES or len(events) == 5_000:
            post()
            size = 0
        events.append(event)
        size += len(event) + 1
    if events:
        post()


main()
