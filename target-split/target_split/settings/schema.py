"""The settings, as `--about` lists them. Common ones, such as those about rejects, are added by the target's base."""

from __future__ import annotations

from typing import Any

from singer_sdk import typing as th

from target_split.api.admin_v2 import ADMIN_URL as V2_URL
from target_split.api.admin_v4 import ADMIN_URL as V4_URL
from target_split.api.events import EVENTS_URL
from target_split.mapping.events import DEFAULT_PROPERTIES

TEXTS = th.ArrayType(th.StringType)
# From 0 to 1; also written as text: Meltano passes decimals so from the environment.
SHARE = th.CustomType({"type": ["number", "string"], "minimum": 0, "maximum": 1, "pattern": r"^\d+(\.\d+)?$"})


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
        description="Admin API key of Split, or a Harness token. Needed for segments; for events it checks names "
        "before anything is sent.",
    ),
    th.Property(
        "admin_api",
        th.StringType,
        default="auto",
        allowed_values=["auto", "v2", "v4"],
        title="Admin API",
        description="API for segments: `v2` (Split's Admin API), `v4` (Harness FME), or `auto`: v4 when `organization` "
        "and `project` are set, else v2.",
    ),
    th.Property(
        "auth_header",
        th.StringType,
        default="Authorization",
        title="Header of the Admin API key",
        description="Header that carries `admin_api_key` over v2: `Authorization` (as Bearer) or `x-api-key`; the "
        "other is tried when Split refuses the first. Over v4 it is always `x-api-key`.",
    ),
    th.Property(
        "workspace_id",
        th.StringType,
        title="Workspace",
        description="Id or name of the workspace. Needed for segments over v2, unless `organization` and `project` are "
        "set.",
    ),
    th.Property(
        "account",
        th.StringType,
        title="Harness account",
        description="Identifier of the Harness account, for v4. Read from the token unless it is set.",
    ),
    th.Property(
        "organization",
        th.StringType,
        title="Harness organization",
        description="Identifier of the Harness organization, for v4.",
    ),
    th.Property(
        "project", th.StringType, title="Harness project", description="Identifier of the Harness project, for v4."
    ),
    th.Property(
        "environment",
        th.StringType,
        title="Environment",
        description="Name or id of the environment. Needed for segments; events carry its name when it is set (needed "
        "where an SDK key spans several environments). Without an Admin API key write the name.",
    ),
    th.Property(
        "traffic_type", th.StringType, default="user", title="Traffic type", description="Traffic type of the keys."
    ),
    th.Property(
        "traffic_types",
        th.ObjectType(additional_properties=th.StringType),
        default={},
        title="Traffic types by key",
        description='Traffic type by path of `key`, where they differ: `{"user_id": "user", "device_id": '
        '"anonymous"}`; and by type of group, for cohorts of groups: `{"company": "account"}`.',
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
        description="Prefix of the names of event types: letters, digits, `-`, `_`, `.`.",
    ),
    th.Property(
        "max_name_length",
        th.IntegerType(minimum=20, maximum=80),
        default=63,
        title="Longest event type",
        description="Longest name of an event type, prefix included. Split documents 63 in some places, 80 in others.",
    ),
    th.Property(
        "value", th.StringType, title="Value", description="Path to an event's value: a number or a numeric string."
    ),
    th.Property(
        "properties",
        TEXTS,
        default=list(DEFAULT_PROPERTIES),
        title="Properties",
        description="Paths and globs of the fields to send as properties, the most important first.",
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
        "skip_own_events",
        th.BooleanType,
        default=True,
        title="Skip own events",
        description="Skips and counts exported events that target-amplitude made of Split's data: by `library`, or by "
        "name (`get_treatment`, `$exposure`, `[Experiment] Exposure`) where they came by Amplitude's HTTP API.",
    ),
    th.Property(
        "check_event_types",
        th.BooleanType,
        default=True,
        title="Check event types",
        description="After a run of events, checks over v4 (if configured) which of their event types Split has seen, "
        "and warns about the others.",
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
        title="Host for segments",
        description=f"Scheme and host of the Admin API. Default: `{V2_URL}` for v2, `{V4_URL}` for v4.",
    ),
    th.Property(
        "max_parallel_requests",
        th.IntegerType(minimum=1, maximum=32),
        default=4,
        title="Parallel requests",
        description="Requests with events that run side by side.",
    ),
    th.Property(
        "retry_timeout_seconds",
        th.IntegerType(minimum=0),
        default=900,
        title="Retry timeout",
        description="Seconds for which a request is retried while Split is down, limits the rate or answers 5xx.",
    ),
    th.Property(
        "ledger_path",
        th.StringType,
        title="Ledger",
        description="SQLite file that remembers which events were accepted, so that none is posted twice. Without it, "
        "a run after a crash may post events again. A file of the same name and `.segments` remembers segments. For "
        "several runs at a time: a PostgreSQL database, `postgresql://user@host/database` (extra `postgres`).",
    ),
    th.Property(
        "ledger_days",
        th.IntegerType(minimum=1),
        default=14,
        title="Days in the ledger",
        description="How many days the ledger remembers an event.",
    ),
    th.Property(
        "on_ambiguous",
        th.StringType,
        default="resend",
        allowed_values=["resend", "skip"],
        title="Ambiguous events",
        description="What to do with events that were posted but got no answer: `resend` (perhaps twice in Split) or "
        "`skip` (perhaps not at all).",
    ),
    th.Property(
        "audit_path",
        th.StringType,
        title="Audit file",
        description="When set, nothing is sent and the ledger is only read: exported events are noted as expected, "
        "those in the ledger as accepted. --audit-report shows the difference.",
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
        description="Largest part of a segment's keys that one run removes, from 0 to 1; more is taken for a mistake "
        "and fails the segment. Does not apply to segments under 20 keys.",
    ),
    th.Property(
        "on_approval",
        th.StringType,
        default="stop",
        allowed_values=["stop", "request"],
        title="Approvals",
        description="What to do where an environment requires approvals: `stop` leaves the segment as it is and fails "
        "the run, `request` opens a change request (v2 only).",
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
        default="Synced by target-split",
        title="Comment of changes",
        description="Comment of each change to a segment; some workspaces require one.",
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
