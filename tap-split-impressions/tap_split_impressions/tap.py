"""The tap: its settings, its streams, and how it stops."""

from __future__ import annotations

import codecs
from collections.abc import Sequence
from typing import ClassVar

from singer_sdk import Stream, Tap
from singer_sdk import typing as th
from singer_sdk.helpers.capabilities import PluginCapabilities

from tap_split_impressions.api.client import DEFAULT_URL, AdminApi
from tap_split_impressions.common.cli import PlainMessages
from tap_split_impressions.common.settings import url_problems
from tap_split_impressions.common.tap.writer import MessageWriter
from tap_split_impressions.folder.readers.csv_export import DEFAULT_ENCODING
from tap_split_impressions.impressions.item import field_of
from tap_split_impressions.impressions.times import NotATime, milliseconds
from tap_split_impressions.streams.admin import LISTS
from tap_split_impressions.streams.impressions import ImpressionsStream
from tap_split_impressions.streams.services import Services


class TapSplitImpressions(PlainMessages, Tap):
    """Singer tap for the feature-flag impressions of Split (Harness FME)."""

    name = "tap-split-impressions"
    package_name = "tap-split-impressions"
    message_writer_class = MessageWriter
    capabilities: ClassVar = [one for one in Tap.capabilities if one is not PluginCapabilities.BATCH]

    config_jsonschema = th.PropertiesList(
        th.Property(
            "path",
            th.StringType,
            required=True,
            title="Folder",
            description="Folder of impression files: a local path, or a URL (s3://, gs://, abfs://). For Split's S3 "
            "export, the folder that holds schema-v1/.",
        ),
        th.Property(
            "storage_options",
            th.ObjectType(additional_properties=True),
            secret=True,
            title="Storage options",
            description="Options of the storage library (fsspec), such as keys or endpoint_url. Without them the usual "
            "credentials of the environment are used.",
        ),
        th.Property(
            "start_date",
            th.DateTimeType,
            title="Start",
            description="Only impressions that arrived at or after this time.",
        ),
        th.Property(
            "end_date",
            th.DateTimeType,
            title="End",
            description="Only impressions that arrived before this time. A later run without it sends the others.",
        ),
        th.Property(
            "environments",
            th.ArrayType(th.StringType),
            title="Environments",
            description="Only these environments: ids or names, with * and ?.",
        ),
        th.Property("flags", th.ArrayType(th.StringType), title="Flags", description="Only these flags, with * and ?."),
        th.Property(
            "exclude_treatments",
            th.ArrayType(th.StringType),
            title="Excluded treatments",
            description='Not these treatments, with * and ?, such as ["control"].',
        ),
        th.Property(
            "traffic_type",
            th.StringType,
            default="user",
            title="Traffic type",
            description="Traffic type of impressions for which neither the file nor the Admin API tells it.",
        ),
        th.Property(
            "csv_columns",
            th.ObjectType(additional_properties=th.StringType),
            title="CSV columns",
            description='Field to header of CSV files, such as {"key": "User", "split": "Flag"}. '
            "Usual headers need no entry.",
        ),
        th.Property(
            "csv_encoding",
            th.StringType,
            default=DEFAULT_ENCODING,
            title="CSV encoding",
            description="Encoding of CSV files without a byte order mark, such as utf-8, latin-1 or cp1252.",
        ),
        th.Property(
            "ignore",
            th.ArrayType(th.StringType),
            title="Ignored files",
            description='Files to leave alone: names, or paths below the folder, with * and ?, such as ["*.log"].',
        ),
        th.Property(
            "settle_seconds",
            th.IntegerType(minimum=0),
            default=2,
            title="Settling time",
            description="A local file that changed within this many seconds may still be written: up to 5 seconds are "
            "waited for it, then it is left to the next run. The receiver's files and objects in a store are complete "
            "at once.",
        ),
        th.Property(
            "admin_api_key",
            th.StringType,
            secret=True,
            title="Admin API key",
            description="Key of Split's Admin API. With it traffic types and environment names are added to "
            "impressions, and the streams feature_flags, environments, traffic_types and segments are there.",
        ),
        th.Property(
            "workspace_id",
            th.StringType,
            title="Workspace id",
            description="Id of the workspace (Harness: project) that the Admin API is asked about.",
        ),
        th.Property(
            "api_url",
            th.StringType,
            default=DEFAULT_URL,
            title="Admin API address",
            description="Scheme and host of the Admin API.",
        ),
    ).to_dict()

    def check_settings(self) -> list[str]:
        """Return what is wrong with settings beyond their types."""
        errors, times = [], {}
        for name in ("start_date", "end_date"):
            try:
                times[name] = milliseconds(self.config.get(name))
            except NotATime:
                errors.append(f"Setting '{name}' must be a time such as 2026-01-31T00:00:00Z.")
        if not errors and times["start_date"] and times["end_date"] and times["end_date"] <= times["start_date"]:
            errors.append("Setting 'end_date' must be later than 'start_date'.")
        errors += [
            f"Setting 'csv_columns': there is no field {name} (the fields are the columns of stream impressions)."
            for name in self.config.get("csv_columns") or {}
            if field_of(name) is None
        ]
        try:
            codecs.lookup(self.config["csv_encoding"])
        except LookupError:
            errors.append("Setting 'csv_encoding' must be an encoding that Python knows, such as latin-1.")
        errors += url_problems("api_url", self.config["api_url"], DEFAULT_URL)
        if self.config.get("admin_api_key") and not self.config.get("workspace_id"):
            errors.append("Setting 'workspace_id' is missing; 'admin_api_key' needs it.")
        return errors

    def discover_streams(self) -> Sequence[Stream]:
        """Return the streams that the settings allow."""
        config, api = self.config, None
        if key := config.get("admin_api_key"):
            api = AdminApi(key, config.get("workspace_id", ""), config.get("api_url", DEFAULT_URL), self.logger)
        writer: MessageWriter = self.message_writer  # type: ignore[assignment]
        services = Services(writer, self.stopping, lambda: self.exit_code, api)
        lists = [stream(self, api, services) for stream in LISTS] if api else []
        return [ImpressionsStream(self, services), *lists]

    def stop(self) -> None:
        """Let the block in work go out whole with its state, then end."""
        self.message_writer.stop(self.exit_code)  # type: ignore[attr-defined]
        self.logger.info("Stopping after the block in work.")
