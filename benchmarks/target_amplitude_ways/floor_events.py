"""The event of an impression, made in the shortest way."""

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
