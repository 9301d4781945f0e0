"""The settings, as `--about` lists them, and the checks that no schema can express."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from singer_sdk import typing as th

from target_amplitude.api.endpoints import HOSTS
from target_amplitude.common.record_paths import MappingError, field_or_literal, source_paths
from target_amplitude.common.settings import url_problems
from target_amplitude.mapping.grammar import DEFAULT_IDENTITY, LOAD_AS, check_event_type, check_identity, check_mapping

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
        description="Scheme and host to send to instead of Amplitude, for example http://127.0.0.1:8010.",
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
        description="What each record becomes: an event, an exposure of a flag, or properties of its user.",
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
        "min_id_length",
        th.IntegerType,
        default=1,
        description="Minimum length of ids; records with shorter ones are rejected.",
    ),
    th.Property(
        "mappings",
        th.ObjectType(additional_properties=th.ObjectType(additional_properties=True)),
        default={},
        description="Stream name or glob to the mapping of its records.",
    ),
    th.Property(
        "property_prefix",
        th.StringType,
        default="",
        description="Prefix of the user properties that load_as identify sets; the flag's name follows.",
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
    th.Property(
        "property_times_path",
        th.StringType,
        description="SQLite file that remembers when each user property was last set, so that an older value read by a "
        "later run never overwrites a newer one. Without it this holds within one run only. For load_as identify.",
    ),
    th.Property("max_parallel_requests", th.IntegerType, default=4, description="Most requests in flight at a time."),
    th.Property(
        "retry_timeout_seconds",
        th.IntegerType,
        default=900,
        description="How long to retry a request that Amplitude does not accept, before the run fails.",
    ),
    th.Property(
        "on_quota",
        th.StringType,
        default="wait",
        allowed_values=["wait", "reject"],
        description="Records of users over Amplitude's daily quota: hold them back for retry_timeout_seconds and then "
        "reject them, or reject them at once. Other users are delivered either way.",
    ),
    th.Property(
        "compression",
        th.StringType,
        default="auto",
        allowed_values=["auto", "gzip", "none"],
        description="Compression of requests; auto compresses for Amplitude's own hosts only.",
    ),
    th.Property(
        "audit_path",
        th.StringType,
        description="Audit file. When set, nothing is sent: records of a source are noted as expected, exported events "
        "(tap-amplitude's stream events) as arrived. --audit-report shows the difference.",
    ),
    th.Property(
        "dry_run",
        th.BooleanType,
        default=False,
        description="Map and check all records, send nothing, write no state; show the first request of each kind.",
    ),
).to_dict()

MINIMA = {"min_id_length": 1, "max_parallel_requests": 1, "retry_timeout_seconds": 0}


def problems_of(config: Mapping[str, Any]) -> list[str]:
    """Return what is wrong with settings beyond their JSON types, one sentence each."""
    problems = url_problems("api_url", config["api_url"], HOSTS["us"]) if config.get("api_url") else []
    problems += [
        f"Setting '{name}' must be at least {least}." for name, least in MINIMA.items() if config[name] < least
    ]
    problems += check_identity(config["identity"])
    checks: list[tuple[str, Callable[[Any], Any], Any]] = [
        ("event_type", check_event_type, config["event_type"]),
        ("user_id", source_paths, config.get("user_id")),
        ("device_id", source_paths, config.get("device_id")),
        ("experiment_key", field_or_literal, config.get("experiment_key")),
        *((f"mappings.{glob}", check_mapping, mapping) for glob, mapping in config["mappings"].items()),
    ]
    for name, check, value in checks:
        try:
            if value is not None:
                check(value)
        except MappingError as error:
            problems.append(f"Setting '{name}': {error}")
    return problems
