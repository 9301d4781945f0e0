"""A plain tap with the SDK's defaults for the same job: a dictionary a row, the SDK's checks and writer."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from singer_sdk import Stream, Tap
from singer_sdk import typing as th

from benchmarks.tap_split_impressions_ways import floor
from tap_split_impressions.streams.impressions import ImpressionsStream


class Impressions(Stream):
    """Rows as the floor makes them."""

    name = "impressions"
    primary_keys = ("impression_id",)
    replication_key = "received_at"
    schema = ImpressionsStream.schema

    def get_records(self, context: Any) -> Iterable[dict[str, Any]]:
        for row, received in floor.rows_of(Path(self.config["path"])):
            yield floor.record_of(row, received)


class PlainTap(Tap):
    """Nothing but the defaults."""

    name = "plain-tap"
    config_jsonschema = th.PropertiesList(th.Property("path", th.StringType, required=True)).to_dict()

    def discover_streams(self) -> list[Stream]:
        return [Impressions(self)]


PlainTap.cli()
