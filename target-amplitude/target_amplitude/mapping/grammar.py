"""The settings that say what records become, and the grammar of `mappings`. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from target_amplitude.api.event_fields import ALIASES, PLAIN_KEYS
from target_amplitude.api.limits import LONG_TEXT, MAX_TEXT, OPERATIONS, SURROGATE, event_type_problem
from target_amplitude.common.record_paths import (
    MappingError,
    check_members,
    field_or_literal,
    field_path,
    filter_test,
    glob_matcher,
    parse_path,
    source_paths,
)
from target_amplitude.mapping.properties import check_selection

LOAD_AS = ("event", "exposure", "identify")
DEFAULT_IDENTITY = {"*": "user_id"}
SOURCES = ("user_id", "device_id", "time", "insert_id")
SELECTIONS = ("event_properties", "user_properties", "group_properties")
MEMBERS = (
    *("event_type", *SOURCES, *SELECTIONS, "groups", "operations", "load_as", "filter"),
    *ALIASES,
    *PLAIN_KEYS,
)
# Operations without a value carry a placeholder: https://amplitude.com/docs/apis/analytics/identify
WITHOUT_VALUE = ("$unset", "$clearAll")
PLACEHOLDER = "-"


@dataclass(frozen=True)
class LoadSettings:
    """The settings that say what records become, each under its name."""

    load_as: str = "event"
    event_type: str = "get_treatment"
    identity: Mapping[str, str] = field(default_factory=lambda: DEFAULT_IDENTITY)
    user_id: Any = None
    device_id: Any = None
    min_id_length: int = 1
    mappings: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    property_prefix: str = ""
    experiment_key: Any = None
    dedupe: str = "none"


def check_mapping(mapping: Any) -> None:
    """Check what can be checked of a mapping before its stream is known.

    Raises:
        MappingError: It is invalid; the message names the member and the closest known name.
    """
    if not isinstance(mapping, dict):
        raise MappingError("a mapping must be an object.")
    check_members(mapping, MEMBERS)
    for member, value in mapping.items():
        try:
            check_member(member, value)
        except MappingError as error:
            raise MappingError(f"'{member}': {error}") from None


def check_member(member: str, value: Any) -> None:
    """Check one member of a mapping.

    Raises:
        MappingError: It is invalid.
    """
    if member == "event_type":
        field_or_literal(value)
        if isinstance(value, str):
            check_event_type(value)
    elif member in SELECTIONS:
        check_selection(value)
    elif member == "groups":
        for source in entries(value, "group types and paths").values():
            source_paths(source)
    elif member == "operations":
        check_operations(value)
    elif member == "load_as":
        if value not in LOAD_AS:
            raise MappingError(f"must be one of: {', '.join(LOAD_AS)}.")
    elif member == "filter":
        filter_test(entries(value, "paths and the values to include or exclude"))
    else:
        source_paths(value)


def check_operations(operations: Any) -> None:
    """Check the operations on user or group properties.

    Raises:
        MappingError: An operation is unknown, or two change the same property.
    """
    check_members(entries(operations, "operations"), OPERATIONS)
    changed: dict[str, str] = {}
    for operation, properties in operations.items():
        if operation == "$clearAll":
            continue
        if operation == "$unset" and isinstance(properties, list):
            properties = dict.fromkeys(properties)  # noqa: PLW2901  # names alone are enough
        for name, source in entries(properties, "properties and sources").items():
            if operation not in WITHOUT_VALUE:
                source_paths(source)
            if name in changed:
                raise MappingError(f"property '{name}' is changed by {changed[name]} and by {operation}; choose one.")
            changed[name] = operation


def check_event_type(text: str) -> None:
    """Check an event type that is the same for all records.

    Raises:
        MappingError: Amplitude would refuse or truncate it.
    """
    problem = event_type_problem(text)
    if not problem and len(text) > MAX_TEXT:
        problem = f"a {LONG_TEXT}"
    if not problem and SURROGATE.search(text):
        problem = "a text that is not valid Unicode"
    if problem:
        raise MappingError(f"this is {problem}.")


def check_identity(identity: Mapping[str, str]) -> list[str]:
    """Return what is wrong with the setting `identity`, in sentences."""
    glob_matcher(identity)
    return [
        f"Setting 'identity.{traffic_type}' must be one of: user_id, device_id."
        for traffic_type, kind in identity.items()
        if kind not in ("user_id", "device_id")
    ]


def entries(value: Any, what: str) -> dict[str, Any]:
    """Return a member that must be an object.

    Raises:
        MappingError: It is not an object, or it has an empty name.
    """
    if not isinstance(value, dict) or not all(name.strip() for name in value):
        raise MappingError(f"must be an object of {what}.")
    return value


def mapped_paths(mapping: Mapping[str, Any]) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield member and path of everything a mapping reads, except selections of properties."""
    for member, value in mapping.items():
        if member == "event_type":
            paths = [] if isinstance(value, str) else [field_path(value)]
        elif member == "groups":
            paths = [path for source in value.values() for path in source_paths(source)]
        elif member == "operations":
            paths = [path for _, _, source in operation_sources(value) for path in source_paths(source)]
        elif member == "filter":
            paths = [parse_path(text) for text in value]
        elif member in (*SELECTIONS, "load_as"):
            paths = []
        else:
            paths = source_paths(value)
        for path in paths:
            yield member, path


def operation_sources(operations: Mapping[str, Any]) -> Iterator[tuple[str, str, Any]]:
    """Yield operation, property and source of `operations`; the source is a literal where no value is needed."""
    for operation, properties in operations.items():
        if operation == "$clearAll":
            yield operation, "", {"value": PLACEHOLDER}
        else:
            for name in properties:
                yield operation, name, {"value": PLACEHOLDER} if operation in WITHOUT_VALUE else properties[name]
