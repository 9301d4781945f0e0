"""How the records of a stream become events: setting `mappings` made into functions. Pure.

A mapping changes what is known of a stream of tap-amplitude member by member; it says all of any other stream.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from target_split.common.record_paths import (
    Getter,
    MappingError,
    Record,
    check_members,
    check_path,
    field_or_literal,
    field_path,
    is_empty,
    parse_path,
    source_paths,
)
from target_split.mapping.properties import check_entries, columns_chosen
from target_split.mapping.sources import (
    COMMON_MEMBERS,
    Defaults,
    KeySource,
    checked_source,
    filter_of,
    key_source,
    source_of,
    with_defaults,
)
from target_split.mapping.stream_kind import EVENT_COLUMNS, Schema, is_known

EVENT_MEMBERS = (*COMMON_MEMBERS, "event_type", "time", "event_id", "properties", "value")

AMPLITUDE_EVENT: dict[str, Any] = {"event_type": {"field": "event_type"}, "time": "event_time"}

# What an event keeps of an exported row unless `properties` says otherwise: what happened, and where and on what; no
# names, addresses, positions or ids of people.
DEFAULT_PROPERTIES = (
    "event_properties.*",
    "groups.*",
    "platform",
    "os_name",
    "os_version",
    "device_family",
    "device_type",
    "language",
    "country",
    "region",
    "city",
    "version_name",
    "start_version",
    "library",
    "paying",
)


@dataclass(frozen=True)
class EventMapping:
    """How a record becomes an event. `value` and `event_id` may be absent.

    Attributes:
        properties: Paths and globs.
        columns: All columns that it reads; None when a glob may want any of them.
        is_exported: Whether the records are events exported from Amplitude.
        has_fixed_time: Whether the time of an event is the same in every run.
    """

    accepts: Callable[[Record], bool] | None
    key: KeySource
    event_type: Getter
    time: Getter
    properties: Sequence[str]
    value: Getter | None
    event_id: Getter | None
    columns: frozenset[str] | None
    is_exported: bool
    has_fixed_time: bool


def event_mapping(schema: Schema, given: Mapping[str, Any], defaults: Defaults) -> EventMapping:
    """Return how the records of a stream become events.

    Args:
        schema: The stream's schema; an empty one allows every path.
        given: Its entry of `mappings`.
        defaults: Settings for what that does not say.

    Raises:
        MappingError: The mapping is malformed, or the stream cannot have one of its paths.
    """
    check_members(given, EVENT_MEMBERS)
    known = AMPLITUDE_EVENT if is_known(schema, EVENT_COLUMNS) else {}
    value = {} if is_empty(defaults.value) else {"value": defaults.value}
    mapping = with_defaults({**known, **value, **given}, schema, defaults)
    for member, why in (("event_type", "its name in Split"), ("time", "when it happened")):
        if member not in mapping:
            raise MappingError(f"'{member}' is missing ({why}).")
    if not isinstance(mapping["event_type"], str):
        check_path(field_path(mapping["event_type"]), schema)
    if "properties" in mapping:
        check_entries(mapping["properties"], schema)
    properties = mapping.get("properties", defaults.properties)
    return EventMapping(
        filter_of(mapping, schema),
        key_source(mapping, schema),
        field_or_literal(mapping["event_type"]),
        checked_source(mapping["time"], schema, "time"),
        properties,
        source_of(mapping, "value", schema),
        source_of(mapping, "event_id", schema),
        columns_read(mapping, properties),
        bool(known),
        bool(known) and not given.keys() & {"time", "event_id"},
    )


def columns_read(mapping: Mapping[str, Any], properties: Sequence[str]) -> frozenset[str] | None:
    """Return the columns that an event is made of; None when a glob may want any of them."""
    chosen = columns_chosen(properties)
    if chosen is None:
        return None
    sources = [mapping[member] for member in ("key", "time", "value", "event_id") if member in mapping]
    paths = [path for source in sources for path in source_paths(source)]
    paths += [parse_path(text) for text in mapping.get("filter") or ()]
    fields = (mapping[member] for member in ("event_type", "traffic_type"))
    paths += [field_path(field) for field in fields if not isinstance(field, str)]
    return chosen | {path[0] for path in paths}
