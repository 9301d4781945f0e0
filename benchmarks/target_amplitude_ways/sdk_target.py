"""A plain target with the SDK's defaults for the same job: its loop, its validation, its batches, its JSON."""

from __future__ import annotations

import gzip
import json
from typing import Any

import requests
from singer_sdk import Target
from singer_sdk import typing as th
from singer_sdk.sinks import BatchSink

from benchmarks.target_amplitude_ways.floor_events import event_of


class EventsSink(BatchSink):
    """Posts each batch as one request."""

    max_size = 2000
    session = requests.Session()

    def process_batch(self, context: dict[str, Any]) -> None:
        events = [event_of(record) for record in context["records"]]
        body = json.dumps({"api_key": "bench", "options": {"min_id_length": 1}, "events": events})
        headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
        answer = self.session.post(
            f"{self.config['url']}/batch", gzip.compress(body.encode(), 1), headers=headers, timeout=60
        )
        answer.raise_for_status()


class PlainTarget(Target):
    """Nothing but the defaults."""

    name = "plain-target"
    config_jsonschema = th.PropertiesList(th.Property("url", th.StringType, required=True)).to_dict()
    default_sink_class = EventsSink


PlainTarget.cli()
