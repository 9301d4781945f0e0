"""A plain target as the SDK's template makes it: its reader, its validation, its batches; posts the same events."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import requests
from singer_sdk import Target
from singer_sdk import typing as th
from singer_sdk.sinks import BatchSink

COLUMNS = (
    *("platform", "os_name", "os_version", "device_family", "device_type", "language", "country", "region", "city"),
    *("version_name", "start_version", "library", "paying"),
)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def flatten(name: str, value: Any, properties: dict[str, Any]) -> None:
    """Put a value, or what is in it, among the properties."""
    if isinstance(value, dict):
        for inner, part in value.items():
            flatten(f"{name}.{inner}", part, properties)
    elif isinstance(value, list):
        properties[name] = str(value)[:256]
    elif value is not None:
        properties[name] = value


class PlainSink(BatchSink):
    """Posts batches."""

    max_size = 1_400  # about a megabyte of these events

    def process_batch(self, context: dict[str, Any]) -> None:
        """Make the events of a batch and post them."""
        events = [self.event(record) for record in context["records"] if record["user_id"] is not None]
        requests.post(self.config["url"] + "/api/events/bulk", json=events, timeout=60).raise_for_status()

    def event(self, record: dict[str, Any]) -> dict[str, Any]:
        """Make an event."""
        properties: dict[str, Any] = {}
        flatten("event_properties", record["event_properties"], properties)
        flatten("groups", record["groups"], properties)
        for column in COLUMNS:
            if (value := record[column]) is not None:
                properties[column] = value
        moment = record["event_time"]
        moment = moment if isinstance(moment, datetime) else datetime.fromisoformat(moment)
        return {
            "eventTypeId": "amp." + record["event_type"].replace(" ", "_").replace("[", "").replace("]", ""),
            "trafficTypeName": "user",
            "key": record["user_id"],
            "timestamp": int((moment - EPOCH).total_seconds() * 1000),
            "properties": properties,
        }


class PlainTarget(Target):
    """The target."""

    name = "plain-target"
    config_jsonschema = th.PropertiesList(th.Property("url", th.StringType, required=True)).to_dict()
    default_sink_class = PlainSink


PlainTarget.cli()
