"""Checks of settings that JSON types cannot make. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from target_split.common.errors import hint
from target_split.common.record_paths import MappingError, check_members
from target_split.common.settings import url_problems
from target_split.mapping.grammar import EVENT_MEMBERS, SEGMENT_MEMBERS, Defaults, event_mapping, segment_mapping
from target_split.mapping.names import SEGMENT_RULE, event_type_rule, is_clean
from target_split.mapping.stream_kind import load_as
from target_split.mapping.templates import template_pieces
from target_split.settings import ADMIN_URL, EVENTS_URL

# What stands in for a stream that has not come yet: it may have any column.
ANY_SCHEMA: dict[str, Any] = {}
NO_DEFAULTS = Defaults(["any"], "any", {}, [], None, "any")


def problems_of(config: Mapping[str, Any]) -> list[str]:
    """Return what is wrong with settings, one sentence each."""
    problems = url_problems("events_url", config["events_url"], EVENTS_URL)
    problems += url_problems("admin_url", config["admin_url"], ADMIN_URL)
    prefix, rule = config["event_type_prefix"], event_type_rule(config["max_name_length"])
    if prefix and not (is_clean(rule, prefix) and rule.first.match(prefix)):
        problems.append(
            "Setting 'event_type_prefix' must begin with a letter or digit and hold only these, '-', '_' and '.'."
        )
    problems += [
        f"Setting 'traffic_types' names '{path}', which is no path of 'key'.{hint(path, config['key'])}"
        for path in config["traffic_types"].keys() - set(config["key"])
    ]
    if float(config["max_removal_share"]) > 1:
        problems.append("Setting 'max_removal_share' must be a part of the whole, from 0 to 1.")
    for check, setting in ((check_template, "segment_name"), (check_mappings, "mappings")):
        try:
            check(config[setting])
        except MappingError as error:
            problems.append(str(error))
    return problems


def check_template(template: str) -> None:
    """Check the template of segment names.

    Raises:
        MappingError: It is malformed.
    """
    for literal, _, _, _ in template_pieces(template):
        if not is_clean(SEGMENT_RULE, literal):
            raise MappingError("Setting 'segment_name' may hold letters, digits, '-' and '_' beside columns in braces.")


def check_mappings(mappings: dict[str, dict[str, Any]]) -> None:
    """Check mappings; whether a stream has the columns they name is checked when its SCHEMA comes.

    Raises:
        MappingError: One cannot be meant, whatever the stream.
    """
    for glob, given in mappings.items():
        try:
            check_members(given, [*EVENT_MEMBERS, *SEGMENT_MEMBERS])
            if load_as(given, ANY_SCHEMA) == "segment":
                segment_mapping(ANY_SCHEMA, {"segment": "any", **given}, NO_DEFAULTS)
            else:
                event_mapping(ANY_SCHEMA, {"event_type": "any", "time": "any", **given}, NO_DEFAULTS)
        except MappingError as error:
            raise MappingError(f"Setting 'mappings', '{glob}': {error}") from None
