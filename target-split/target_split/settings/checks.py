"""Checks of settings that JSON types cannot make. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from target_split.api.admin_v2 import ADMIN_URL as V2_URL
from target_split.api.admin_v4 import account_of
from target_split.api.events import EVENTS_URL
from target_split.common.errors import hint
from target_split.common.record_paths import MappingError, check_members
from target_split.common.settings import url_problems
from target_split.mapping.events import EVENT_MEMBERS, event_mapping
from target_split.mapping.names import event_type_rule, is_clean
from target_split.mapping.segments import SEGMENT_MEMBERS, check_template, segment_mapping
from target_split.mapping.sources import Defaults
from target_split.mapping.stream_kind import load_as

# What stands in for a stream that has not come yet: it may have any column.
ANY_SCHEMA: dict[str, Any] = {}
NO_DEFAULTS = Defaults(["any"], "any", {}, [], None, "any")


def problems_of(config: Mapping[str, Any]) -> list[str]:
    """Return what is wrong with settings, one sentence each."""
    problems = url_problems("events_url", config["events_url"], EVENTS_URL)
    if config.get("admin_url"):
        problems += url_problems("admin_url", config["admin_url"], V2_URL)
    prefix, rule = config["event_type_prefix"], event_type_rule(config["max_name_length"])
    if not (is_clean(rule, prefix) and rule.first.match(prefix)):
        problems.append(
            "Setting 'event_type_prefix' must begin with a letter or digit and hold only these, '-', '_' and '.'."
        )
    problems += [
        f"Setting 'traffic_types' names '{path}', which is not a path of 'key'.{meant}"
        for path in config["traffic_types"].keys() - set(config["key"])
        if (meant := hint(path, config["key"]))  # any other name may be a type of group
    ]
    if float(config["max_removal_share"]) > 1:
        problems.append("Setting 'max_removal_share' must be a part of the whole, from 0 to 1.")
    if config.get("audit_path") and not config.get("ledger_path"):
        problems.append("Setting 'audit_path' needs 'ledger_path': the ledger says what Split accepted.")
    for check, setting in ((check_template, "segment_name"), (check_mappings, "mappings")):
        try:
            check(config[setting])
        except MappingError as error:
            problems.append(str(error))
    return [*problems, *admin_problems(config)]


def admin_problems(config: Mapping[str, Any]) -> Iterator[str]:
    """Yield what is wrong with the settings that choose and address the Admin API."""
    if config.get("workspace_id") and config.get("project"):
        yield (
            "Settings 'workspace_id' and 'project' are both set: the first addresses Split's Admin API (v2), the "
            "second Harness FME (v4). Remove one."
        )
    elif uses_v4(config) and config.get("admin_api_key"):
        missing = [name for name in ("organization", "project") if not config.get(name)]
        if missing:
            names = ", ".join(f"'{name}'" for name in missing)
            yield f"Setting 'admin_api' is v4, which also needs the settings {names}."
        elif not config.get("account") and account_of(config["admin_api_key"]) is None:
            yield (
                "Setting 'admin_api_key' is not a Harness token (pat. or sat.), which FME API v4 needs. Make one for a "
                "service account in Harness; for an Admin API key of Split set 'workspace_id' in place of "
                "'organization' and 'project'."
            )


def uses_v4(config: Mapping[str, Any]) -> bool:
    """Whether segments go over FME API v4."""
    if config["admin_api"] == "auto":
        return bool(config.get("organization") and config.get("project"))
    return bool(config["admin_api"] == "v4")


def check_mappings(mappings: dict[str, dict[str, Any]]) -> None:
    """Check mappings; whether a stream has the columns they name is checked when its SCHEMA comes.

    Raises:
        MappingError: One is malformed, whatever the stream.
    """
    for glob, given in mappings.items():
        try:
            check_members(given, dict.fromkeys([*EVENT_MEMBERS, *SEGMENT_MEMBERS]))
            if load_as(given, ANY_SCHEMA) == "segment":
                segment_mapping(ANY_SCHEMA, {"segment": "any", **given}, NO_DEFAULTS)
            else:
                event_mapping(ANY_SCHEMA, {"event_type": "any", "time": "any", **given}, NO_DEFAULTS)
        except MappingError as error:
            raise MappingError(f"Setting 'mappings', '{glob}': {error}") from None
