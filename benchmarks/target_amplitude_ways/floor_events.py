"""The event of an impression, or of an exported event, made in the shortest way."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
PROPERTIES = {
    "split_name": "split",
    "treatment": "treatment",
    "label": "label",
    "traffic_type": "traffic_type",
    "environment_name": "environment_name",
    "environment_id": "environment_id",
    "split_version_number": "split_version_number",
    "bucketing_key": "bucketing_key",
    "sdk": "sdk",
    "sdk_version": "sdk_version",
}


def event_of(record: dict[str, Any]) -> dict[str, Any]:
    """Return the event of an impression."""
    properties = {name: record[column] for name, column in PROPERTIES.items() if record[column] is not None}
    moment = record["time"]
    moment = moment if isinstance(moment, datetime) else datetime.fromisoformat(moment)
    return {
        "user_id": record["key"],
        "event_type": "get_treatment",
        "time": round((moment - EPOCH).total_seconds() * 1000),
        "event_properties": properties | (record["properties"] or {}),
        "insert_id": record["impression_id"],
        "library": "target-amplitude/0.1.0",
    }


# Columns of an exported event that are keys of an event, too.
KEYS = (
    "user_id",
    "device_id",
    "event_type",
    "event_properties",
    "user_properties",
    "groups",
    "group_properties",
    "os_name",
    "os_version",
    "device_brand",
    "device_manufacturer",
    "device_model",
    "country",
    "region",
    "city",
    "language",
    "platform",
    "version_name",
    "event_id",
    "session_id",
    "plan",
)


def event_of_exported(record: dict[str, Any]) -> dict[str, Any]:
    """Return the event of an exported one."""
    event = {name: value for name in KEYS if (value := record[name]) not in (None, {})}
    event["time"] = round((datetime.fromisoformat(record["event_time"]) - EPOCH).total_seconds() * 1000)
    event["insert_id"] = record["$insert_id"]
    event["library"] = "target-amplitude/0.1.0"
    return event
