"""The settings, as `--about` lists them."""

from __future__ import annotations

from typing import Any

from singer_sdk import typing as th

from target_split.mapping.grammar import DEFAULT_PROPERTIES

EVENTS_URL = "https://events.split.io"
ADMIN_URL = "https://api.split.io"

TEXTS = th.ArrayType(th.StringType)
# From 0 to 1; also written as text: Meltano passes decimals so from the environment.
SHARE = th.CustomType({"type": ["number", "string"], "minimum": 0, "maximum": 1, "pattern": r"^\d+(\.\d+)?$"})


def whole(minimum: int, maximum: int | None = None) -> Any:
    """Return the type of a whole number from `minimum` on."""
    return th.IntegerType(minimum=minimum, maximum=maximum)


SETTINGS: dict[str, Any] = th.PropertiesList(
    th.Property(
        "sdk_api_key",
        th.StringType,
        secret=True,
        title="SDK API key",
        description="Server-side SDK key of the environment that gets the events. Needed for events, not for segments.",
    ),
    th.Property(
        "admin_api_key",
        th.StringType,
        secret=True,
        title="Admin API key",
        description="Admin API key, or a Harness token. Needed for segments; for events it makes names checked at the "
        "start.",
    ),
    th.Property(
        "auth_header",
        th.StringType,
        default="Authorization",
        title="Header of the Admin API key",
        description="Header that carries `admin_api_key`: `Authorization` (as Bearer), or `x-api-key` for Harness "
        "tokens.",
    ),
    th.Property(
        "workspace_id",
        th.StringType,
        title="Workspace",
        description="Id or name of the workspace (project). Needed for segments.",
    ),
    th.Property(
        "environment",
        th.StringType,
        title="Environment",
        description="Name or id of the environment. Needed for segments; events carry its name when it is set (needed "
        "where an SDK key spans several environments). Without an Admin API key write the name.",
    ),
    th.Property(
        "traffic_type",
        th.StringType,
        default="user",
        title="Traffic type",
        description="Traffic type of the keys.",
    ),
    th.Property(
        "traffic_types",
        th.ObjectType(additional_properties=th.StringType),
        default={},
        title="Traffic types by key",
        description='Traffic type by path of `key`, where they differ: `{"user_id": "user", "device_id": '
        '"anonymous"}`.',
    ),
    th.Property(
        "key",
        TEXTS,
        default=["user_id"],
        title="Key",
        description="Paths to a record's key, in order: the first that gives a value wins.",
    ),
    th.Property(
        "event_type_prefix",
        th.StringType,
        default="amp.",
        title="Prefix of event types",
        description="Stands before the names of event types: letters, digits, `-`, `_`, `.`; may be empty.",
    ),
    th.Property(
        "max_name_length",
        whole(20, 80),
        default=63,
        title="Longest event type",
        description="Longest name of an event type, prefix included. Split documents 63 in some places, 80 in others.",
    ),
    th.Property(
        "value",
        th.StringType,
        title="Value",
        description="Path to an event's value: a number, also one written as text.",
    ),
    th.Property(
        "properties",
        TEXTS,
        default=list(DEFAULT_PROPERTIES),
        title="Properties",
        description="Paths and globs of what an event's properties are made of, the most important first.",
    ),
    th.Property(
        "arrays",
        th.StringType,
        default="json",
        allowed_values=["json", "join"],
        title="Arrays",
        description="Arrays in properties as JSON text, or as their items joined by commas.",
    ),
    th.Property(
        "mappings",
        th.ObjectType(additional_properties=th.ObjectType(additional_properties=True)),
        default={},
        title="Mappings",
        description="By stream name or glob, how its records become events or members of segments.",
    ),
    th.Property(
        "events_url",
        th.StringType,
        default=EVENTS_URL,
        title="Host for events",
        description="Scheme and host of the events API.",
    ),
    th.Property(
        "admin_url",
        th.StringType,
        default=ADMIN_URL,
        title="Host for segments",
        description="Scheme and host of the Admin API.",
    ),
    th.Property(
        "max_parallel_requests",
        whole(1, 32),
        default=4,
        title="Parallel requests",
        description="Requests with events that run side by side.",
    ),
    th.Property(
        "retry_timeout_seconds",
        whole(0),
        default=900,
        title="Patience",
        description="How long a request is tried again while Split is unreachable, limits the rate or answers 5xx.",
    ),
    th.Property(
        "ledger_path",
        th.StringType,
        title="Ledger",
        description="SQLite file that remembers which events were accepted, so that none is posted twice. Without it a "
        "run after a crash may post events again.",
    ),
    th.Property(
        "ledger_days",
        whole(1),
        default=14,
        title="Days in the ledger",
        description="How many days the ledger remembers an event.",
    ),
    th.Property(
        "on_ambiguous",
        th.StringType,
        default="resend",
        allowed_values=["resend", "skip"],
        title="Events of unknown fate",
        description="What becomes of events that were posted without an answer: `resend` (perhaps twice in Split) or "
        "`skip` (perhaps not at all).",
    ),
    th.Property(
        "segment_name",
        th.StringType,
        default="amp_{cohort_name}",
        title="Name of segments",
        description="Template of a segment's name; columns of the stream in braces.",
    ),
    th.Property(
        "allow_empty_segments",
        th.BooleanType,
        default=False,
        title="Allow empty segments",
        description="Whether an empty cohort empties its segment.",
    ),
    th.Property(
        "max_removal_share",
        SHARE,
        default=0.5,
        title="Largest removal",
        description="Largest part of a segment's keys that one run removes, from 0 to 1; more is taken for a mistake.",
    ),
    th.Property(
        "change_title",
        th.StringType,
        default="Amplitude cohort",
        title="Title of changes",
        description="Title of each change to a segment; some workspaces require one.",
    ),
    th.Property(
        "change_comment",
        th.StringType,
        default="Synchronised by target-split",
        title="Comment of changes",
        description="Comment of each change to a segment; some workspaces require one.",
    ),
    th.Property(
        "rejects_path",
        th.StringType,
        title="Rejects",
        description="File for records that can never be delivered, as JSON lines.",
    ),
    th.Property(
        "max_rejects",
        whole(0),
        default=1000,
        title="Most rejects",
        description="More rejected records than this stop the run.",
    ),
    th.Property(
        "dry_run",
        th.BooleanType,
        default=False,
        title="Dry run",
        description="Maps, checks and packs everything, sends nothing, writes no state, shows the first event of each "
        "stream and the changes to each segment.",
    ),
).to_dict()
