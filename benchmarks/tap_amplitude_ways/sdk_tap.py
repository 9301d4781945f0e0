"""A plain tap with the SDK's defaults for the same job: the archive in memory, a dictionary a row, the SDK's writer."""

from __future__ import annotations

import gzip
import io
import json
import zipfile
from collections.abc import Iterable
from typing import Any

import requests
from singer_sdk import Stream, Tap
from singer_sdk import typing as th

from tap_amplitude.records.schemas import EXPORTED, json_schema


class Events(Stream):
    """Rows as they come."""

    name = "events"
    primary_keys = ("uuid",)
    replication_key = "server_upload_time"
    schema = json_schema(EXPORTED, ["uuid"])

    def get_records(self, context: Any) -> Iterable[dict[str, Any]]:
        answer = requests.get(f"{self.config['api_url']}/api/2/export", timeout=60)
        with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
            for name in archive.namelist():
                with archive.open(name) as packed, gzip.open(packed) as lines:
                    yield from map(json.loads, lines)


class PlainTap(Tap):
    """Nothing but the defaults."""

    name = "plain-tap"
    config_jsonschema = th.PropertiesList(th.Property("api_url", th.StringType, required=True)).to_dict()

    def discover_streams(self) -> list[Stream]:
        return [Events(self)]


PlainTap.cli()
