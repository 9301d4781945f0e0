"""The settings, as `--about` lists them."""

from __future__ import annotations

from typing import Any

from singer_sdk import typing as th

from target_amplitude.api.endpoints import HOSTS
from target_amplitude.mapping.grammar import DEFAULT_IDENTITY, LOAD_AS

ANY_SOURCE = th.CustomType({"type": ["string", "array", "null"]})
TEXT_OR_FIELD = th.CustomType({"type": ["string", "object", "null"]})

SETTINGS: dict[str, Any] = th.PropertiesList(
    th.Property("api_key", th.StringType, required=True, secret=True, description="API key of the project."),
    th.Property(
        "region",
        th.StringType,
        default="us",
        allowed_values=list(HOSTS),
        description="Where the project's data lives.",
    ),
    th.Property(
        "api_url",
        th.StringType,
        description="Scheme and host to send to instead of Amplitude's own, for example http://127.0.0.1:8010.",
    ),
    th.Property(
        "endpoint",
        th.StringType,
        default="batch",
        allowed_values=["batch", "http"],
        description="Batch Event Upload (20 MB a request) or HTTP V2 (1 MB a request).",
    ),
    th.Property(
        "load_as",
        th.StringType,
        default="event",
        allowed_values=list(LOAD_AS),
        description="What records become: an event each, an exposure of a flag, or properties of their user.",
    ),
    th.Property(
        "event_type",
        th.StringType,
        default="get_treatment",
        description="Type of the events that impressions become.",
    ),
    th.Property(
        "identity",
        th.ObjectType(additional_properties=th.StringType),
        default=DEFAULT_IDENTITY,
        description="Traffic type (or glob) of impressions to user_id or device_id.",
    ),
    th.Property("user_id", ANY_SOURCE, description="Path, or list of paths, of other streams' user id."),
    th.Property("device_id", ANY_SOURCE, description="Path, or list of paths, of other streams' device id."),
    th.Property(
        "min_id_length", th.IntegerType, default=1, description="Fewest characters of an id; shorter are rejected."
    ),
    th.Property(
        "mappings",
        th.ObjectType(additional_properties=th.ObjectType(additional_properties=True)),
        default={},
        description="Stream name or glob to what its records become.",
    ),
    th.Property(
        "property_prefix",
        th.StringType,
        default="",
        description="Stands before a flag's name in the user property that load_as identify sets.",
    ),
    th.Property(
        "experiment_key",
        TEXT_OR_FIELD,
        description='Experiment key of exposures: a text, or {"field": path} to read it from the impression.',
    ),
    th.Property(
        "dedupe",
        th.StringType,
        default="none",
        allowed_values=["none", "hour", "day"],
        description="Send one event for all impressions of a user, flag and treatment within an hour or a day.",
    ),
    th.Property(
        "identify_via",
        th.StringType,
        default="events",
        allowed_values=["api", "events"],
        description="Send user properties through the Identify API, or as $identify events.",
    ),
    th.Property("max_parallel_requests", th.IntegerType, default=4, description="Most requests on their way at once."),
    th.Property(
        "retry_timeout_seconds",
        th.IntegerType,
        default=900,
        description="How long to go on trying when Amplitude does not take a request, before the run fails.",
    ),
    th.Property(
        "rejects_path",
        th.StringType,
        description="File that keeps records which can never be delivered, as JSON lines.",
    ),
    th.Property(
        "max_rejects", th.IntegerType, default=1000, description="More rejected records than this fail the run."
    ),
    th.Property(
        "dry_run",
        th.BooleanType,
        default=False,
        description="Map, check and pack everything, send nothing, write no state.",
    ),
).to_dict()
