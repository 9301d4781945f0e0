"""The settings of the tap, and their checks."""

from __future__ import annotations

import codecs
from collections.abc import Mapping
from typing import Any

from singer_sdk import typing as th

from tap_split_impressions.api import admin_v2, admin_v4
from tap_split_impressions.api.client import BEARER
from tap_split_impressions.common.settings import url_problems
from tap_split_impressions.folder.readers.csv_export import DEFAULT_ENCODING
from tap_split_impressions.impressions.item import NotAnImpression, field_of, time_of

SCHEMA: dict[str, Any] = th.PropertiesList(
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
        description="Traffic type of impressions if neither the file nor the Admin API provides it.",
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
        description='Files to ignore: names, or paths below the folder, with * and ?, such as ["*.log"].',
    ),
    th.Property(
        "settle_seconds",
        th.IntegerType(minimum=0),
        default=2,
        title="Settling time",
        description="A local file that changed within this many seconds may be incomplete: the run waits up to 5 "
        "seconds for it, then leaves it to the next run. Does not apply to the receiver's files or to object stores.",
    ),
    th.Property(
        "admin_api_key",
        th.StringType,
        secret=True,
        title="Admin API key",
        description="Admin API key of Split, or a Harness token. With it, traffic types and environment names are added"
        " to impressions, and the streams feature_flags, environments, traffic_types and segments are available.",
    ),
    th.Property(
        "admin_api",
        th.StringType,
        allowed_values=["auto", "v2", "v4"],
        default="auto",
        title="Admin API",
        description="v2 (Split) or v4 (Harness FME). auto takes v4 when organization and project are set.",
    ),
    th.Property(
        "workspace_id",
        th.StringType,
        title="Workspace",
        description="Id or name of the workspace (Harness: project) in the Admin API v2.",
    ),
    th.Property(
        "account",
        th.StringType,
        title="Harness account",
        description="Identifier of the Harness account; by default the one in the token.",
    ),
    th.Property(
        "organization", th.StringType, title="Harness organization", description="Identifier of the organization."
    ),
    th.Property("project", th.StringType, title="Harness project", description="Identifier of the project."),
    th.Property(
        "auth_header",
        th.StringType,
        default=BEARER,
        title="Authentication header",
        description="Header that carries the key to the Admin API v2: Authorization (as Bearer) or x-api-key. Where "
        "Split refuses one, the other is tried once. v4 always takes x-api-key.",
    ),
    th.Property(
        "api_url",
        th.StringType,
        title="Admin API URL",
        description=f"Scheme and host of the Admin API; by default {admin_v2.DEFAULT_URL} for v2 and "
        f"{admin_v4.DEFAULT_URL} for v4.",
    ),
    th.Property(
        "retry_timeout_seconds",
        th.IntegerType(minimum=0),
        default=300,
        title="Retry timeout",
        description="How long a request to the Admin API is retried before the run fails.",
    ),
).to_dict()


def is_v4(config: Mapping[str, Any]) -> bool:
    """Whether the Admin API is Harness FME API v4."""
    chosen = config.get("admin_api", "auto")
    return chosen == "v4" or (chosen == "auto" and bool(config.get("organization") and config.get("project")))


def account_of(config: Mapping[str, Any]) -> str | None:
    """Return the Harness account: that of the setting, else the one that the token names."""
    return config.get("account") or admin_v4.account_of(config.get("admin_api_key", ""))


def problems(config: Mapping[str, Any]) -> list[str]:
    """Return what is wrong with settings beyond their types, one sentence each."""
    return [*_time_problems(config), *_file_problems(config), *_admin_problems(config)]


def _time_problems(config: Mapping[str, Any]) -> list[str]:
    errors, times = [], {}
    for name in ("start_date", "end_date"):
        try:
            times[name] = time_of(config.get(name))
        except NotAnImpression:
            errors.append(f"Setting '{name}' must be a time such as 2026-01-31T00:00:00Z.")
    if not errors and times["start_date"] and times["end_date"] and times["end_date"] <= times["start_date"]:
        errors.append("Setting 'end_date' must be later than 'start_date'.")
    return errors


def _file_problems(config: Mapping[str, Any]) -> list[str]:
    errors = [
        f"Setting 'csv_columns': there is no field {name} (the fields are the columns of stream impressions)."
        for name in config.get("csv_columns") or {}
        if field_of(name) is None
    ]
    try:
        codecs.lookup(config["csv_encoding"])
    except LookupError:
        errors.append("Setting 'csv_encoding' must be an encoding that Python knows, such as latin-1.")
    return errors


def _admin_problems(config: Mapping[str, Any]) -> list[str]:
    default = admin_v4.DEFAULT_URL if is_v4(config) else admin_v2.DEFAULT_URL
    errors = url_problems("api_url", config["api_url"], default) if config.get("api_url") else []
    if not config.get("admin_api_key"):
        return errors
    if config.get("workspace_id") and config.get("project"):
        errors.append("Settings 'workspace_id' and 'project' name the same thing in two APIs: set one of them.")
    if bool(config.get("organization")) != bool(config.get("project")):
        errors.append("Settings 'organization' and 'project' belong together: set both.")
    elif is_v4(config):
        errors += [
            f"Setting '{name}' is missing; the Admin API v4 needs it."
            for name in ("organization", "project")
            if not config.get(name)
        ]
        if not account_of(config):
            errors.append(
                "Setting 'account' is missing: the key in 'admin_api_key' is not a Harness token (pat. or sat.), which "
                "would name it."
            )
    elif not (config.get("workspace_id") or config.get("project")):
        errors.append("Setting 'workspace_id' (or 'organization' and 'project') is missing; 'admin_api_key' needs it.")
    return errors
