"""The settings of tap-amplitude and what is checked about them before anything is read."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from singer_sdk import typing as th

from tap_amplitude.api.client import HOSTS
from tap_amplitude.common.errors import hint
from tap_amplitude.common.settings import url_problems
from tap_amplitude.export.windows import MAX_WINDOW_HOURS
from tap_amplitude.records.times import parse_time
from tap_amplitude.streams.state import EARLIEST

# Amplitude runs 5 requests of a project at a time; one is left for people who look at charts.
MAX_PARALLEL_WINDOWS = 4

KEYS = ("api_key", "secret_key")
EVENT_TYPES = ("include", "exclude")

PROPERTIES = (
    th.Property("api_key", th.StringType, secret=True, description="API key of the project. Required without `path`."),
    th.Property(
        "secret_key", th.StringType, secret=True, description="Secret key of the project. Required without `path`."
    ),
    th.Property(
        "region",
        th.StringType,
        default="us",
        allowed_values=list(HOSTS),
        description="Where the project's data lives.",
    ),
    th.Property("api_url", th.StringType, description="Scheme and host in place of the region's, such as a test's."),
    th.Property(
        "start_date",
        th.DateTimeType,
        description="Read from this time on (inclusive, rounded down to the hour) while there is no state. Required by"
        " events, active_users and average_session_length.",
    ),
    th.Property("end_date", th.DateTimeType, description="Read up to this time (exclusive, rounded down to the hour)."),
    th.Property(
        "event_types",
        th.ObjectType(
            th.Property("include", th.ArrayType(th.StringType)),
            th.Property("exclude", th.ArrayType(th.StringType)),
            additional_properties=False,
        ),
        description="Read only events whose type matches a glob of `include` and none of `exclude`:"
        ' `{"include": ["Order *"], "exclude": ["[[]Experiment] *"]}`.',
    ),
    th.Property(
        "window_hours",
        th.IntegerType(minimum=1, maximum=MAX_WINDOW_HOURS),
        default=24,
        description="Largest number of hours to export at once.",
    ),
    th.Property(
        "lag_hours",
        th.IntegerType(minimum=0, maximum=MAX_WINDOW_HOURS),
        default=3,
        description="An hour is read this long after its start; Amplitude completes it within three hours.",
    ),
    th.Property(
        "lookback_hours",
        th.IntegerType(minimum=0, maximum=MAX_WINDOW_HOURS),
        default=0,
        description="Read this many hours before the bookmark again; the target must then merge on `uuid`.",
    ),
    th.Property(
        "max_parallel_windows",
        th.IntegerType(minimum=1, maximum=MAX_PARALLEL_WINDOWS),
        default=2,
        description="How many windows to download, or hold on disk, at a time.",
    ),
    th.Property(
        "retry_timeout_seconds",
        th.IntegerType(minimum=0),
        default=900,
        description="How long to retry a request that Amplitude does not answer as it should, before the run fails.",
    ),
    th.Property(
        "cohort_ids",
        th.ArrayType(th.StringType),
        default=[],
        description='Read the members of cohorts with these ids (globs; `["*"]` for all). With neither this nor'
        " `cohort_names`, no members are read.",
    ),
    th.Property(
        "cohort_names",
        th.ArrayType(th.StringType),
        default=[],
        description="Read the members of cohorts with these names (globs).",
    ),
    th.Property(
        "cohort_user_properties",
        th.ArrayType(th.StringType),
        default=[],
        description='User properties to read with cohort members; `["*"]` reads all, which is slow.',
    ),
    th.Property(
        "changed_cohorts_only",
        th.BooleanType,
        default=False,
        description="Read only the members of cohorts that were computed since they were last read.",
    ),
    th.Property(
        "path",
        th.StringType,
        description="Folder or URL (s3://, gs://, abfs://) of files that Amplitude exports or the receiver stores."
        " `events`, `merged_amplitude_ids` and `cohort_changes` are then read from it, not from the API.",
    ),
    th.Property(
        "storage_options",
        th.ObjectType(additional_properties=True),
        secret=True,
        description='Options of the fsspec file system, such as `{"endpoint_url": "…"}` for S3.',
    ),
    th.Property(
        "spool_directory",
        th.StringType,
        description="Folder for archives while they are read; by default the system's for temporary files.",
    ),
)


def problems(config: dict[str, Any]) -> list[str]:
    """Return what is wrong with the address, the dates and the batch settings, a sentence each."""
    found = [f"Setting '{name}' is missing." for name in KEYS if not config.get(name) and needs_keys(config)]
    found += url_problems("api_url", config["api_url"], HOSTS["us"]) if config.get("api_url") else []
    return (
        found
        + event_types_problems(config.get("event_types") or {})
        + date_problems(config)
        + batch_problems(config.get("batch_config"))
    )


def event_types_problems(setting: dict[str, Any]) -> list[str]:
    """Return what is wrong with `event_types`."""
    return [
        f"Setting 'event_types' has no member '{name}'.{hint(name, EVENT_TYPES)}"
        for name in setting
        if name not in EVENT_TYPES
    ]


def needs_keys(config: dict[str, Any]) -> bool:
    """Whether the API is to be read: always without files, and with one key given."""
    return not config.get("path") or any(config.get(name) for name in KEYS)


def date_problems(config: dict[str, Any]) -> list[str]:
    """Return what is wrong with the dates."""
    found = []
    dates: dict[str, datetime] = {}
    for name in ("start_date", "end_date"):
        if config.get(name):
            try:
                dates[name] = parse_time(config[name])
            except ValueError:
                found.append(f"Setting '{name}' is not a date or time such as 2026-03-14 or 2026-03-14T09:00:00Z.")
    start, end = dates.get("start_date"), dates.get("end_date")
    if start and end and end <= start:
        found.append("Setting 'end_date' must be later than 'start_date'.")
    if start and start < EARLIEST:
        found.append(f"Setting 'start_date' is before {EARLIEST:%Y}.")
    if start and start > datetime.now(UTC):
        found.append("Setting 'start_date' is in the future: there is nothing to read.")
    return found


def batch_problems(batch_config: dict[str, Any] | None) -> list[str]:
    """Return what is wrong with `batch_config`."""
    if not batch_config:
        return []
    encoding, storage = batch_config.get("encoding") or {}, batch_config.get("storage") or {}
    found = []
    if encoding.get("format") != "jsonl":
        found.append("Setting 'batch_config.encoding.format' must be jsonl.")
    if not storage.get("root"):
        found.append("Setting 'batch_config.storage.root' is missing.")
    return found
