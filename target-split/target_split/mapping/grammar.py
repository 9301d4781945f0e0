"""The words of `mappings` made into what reads a record: an event's parts, or a member of a segment. Pure.

A mapping changes what is known of a stream of tap-amplitude member by member; it says all of any other stream.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from target_split.api.limits import clean_key
from target_split.common.record_paths import (
    Getter,
    MappingError,
    Record,
    check_members,
    check_path,
    field_or_literal,
    field_path,
    filter_test,
    getter,
    is_empty,
    parse_path,
    source_getter,
    source_paths,
)
from target_split.mapping.names import SEGMENT_RULE, clean_part, complete
from target_split.mapping.properties import check_entries, columns_chosen
from target_split.mapping.stream_kind import EVENT_COLUMNS, MEMBER_COLUMNS, SIZE_COLUMN, Schema, is_known
from target_split.mapping.templates import template_parts
from target_split.segments.plan import Naming

COMMON_MEMBERS = ("load_as", "filter", "key", "traffic_type", "traffic_types")
EVENT_MEMBERS = (*COMMON_MEMBERS, "event_type", "time", "event_id", "properties", "value")
SEGMENT_MEMBERS = (*COMMON_MEMBERS, "segment")

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
class Defaults:
    """Settings that a mapping may override."""

    key: Sequence[str]
    traffic_type: str
    traffic_types: Mapping[str, str]
    properties: Sequence[str]
    value: Any
    segment_name: str


@dataclass(frozen=True)
class KeySource:
    """Reads a record's key and the traffic type that goes with it.

    Attributes:
        sources: What reads a key, and its traffic type.
        named: Traffic types that settings name, in lower case; not those that records hold.
    """

    sources: Sequence[tuple[Getter, Getter]]
    named: frozenset[str]

    def __call__(self, record: Record) -> tuple[str | None, Any]:
        """Return the first key there is and its traffic type; no key gives `(None, None)`."""
        for get_key, get_traffic_type in self.sources:
            if (key := clean_key(get_key(record))) is not None:
                return key, get_traffic_type(record)
        return None, None


@dataclass(frozen=True)
class EventMapping:
    """How a record becomes an event. `value` and `event_id` may be absent.

    Attributes:
        properties: Paths and globs.
        columns: All columns that it reads; None when a glob may want any of them.
    """

    accepts: Callable[[Record], bool] | None
    key: KeySource
    event_type: Getter
    time: Getter
    properties: Sequence[str]
    value: Getter | None
    event_id: Getter | None
    columns: frozenset[str] | None


@dataclass(frozen=True)
class SegmentMapping:
    """How a record becomes a member of a segment.

    Attributes:
        group: What tells one list of members from another: the cohort's id, or the segment's name.
        title: The segment's name before cleaning: literal text and what a record gives.
        size: Rows in the whole list, where the stream says it.
        is_cohort: Whether the lists are cohorts of Amplitude, named by its columns.
    """

    accepts: Callable[[Record], bool] | None
    key: KeySource
    group: Getter
    title: Sequence[str | Getter]
    size: Getter | None
    is_cohort: bool

    def naming(self, record: Record) -> Naming:
        """Return what the list is called that a record belongs to."""
        raw = [part if isinstance(part, str) else str(part(record)) for part in self.title]
        clean = [
            text if isinstance(part, str) else clean_part(SEGMENT_RULE, text)
            for part, text in zip(self.title, raw, strict=True)
        ]
        name = complete(SEGMENT_RULE, "".join(clean), "".join(raw))
        if not self.is_cohort:
            return Naming(name, f"list '{''.join(raw)}'", "Filled by target-split")
        cohort, group = record.get("cohort_name"), self.group(record)
        return Naming(name, f"cohort '{cohort}'", f"Amplitude cohort '{cohort}', cohort id {group}")


def event_mapping(schema: Schema, given: Mapping[str, Any], defaults: Defaults) -> EventMapping:
    """Return how the records of a stream become events.

    Args:
        schema: The stream's schema; an empty one allows every path.
        given: Its entry of `mappings`.
        defaults: Settings for what that does not say.

    Raises:
        MappingError: The mapping cannot be meant, or the stream cannot have one of its paths.
    """
    check_members(given, EVENT_MEMBERS)
    known = AMPLITUDE_EVENT if is_known(schema, EVENT_COLUMNS) else {}
    value = {} if is_empty(defaults.value) else {"value": defaults.value}
    mapping = completed({**known, **value, **given}, schema, defaults)
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
    )


def segment_mapping(schema: Schema, given: Mapping[str, Any], defaults: Defaults) -> SegmentMapping:
    """Return how the records of a stream become members of segments; arguments and errors as `event_mapping`."""
    check_members(given, SEGMENT_MEMBERS)
    key = key_source(completed(given, schema, defaults), schema)
    accepts = filter_of(given, schema)
    size = getter((SIZE_COLUMN,)) if SIZE_COLUMN in schema.get("properties", ()) else None
    segment = source_of(given, "segment", schema)
    if is_known(schema, MEMBER_COLUMNS):
        title = [segment] if segment else template_parts(defaults.segment_name, schema["properties"])
        return SegmentMapping(accepts, key, getter(("cohort_id",)), title, size, is_cohort=True)
    if segment is None:
        raise MappingError("'segment' is missing (the name of the segment a record belongs to).")
    return SegmentMapping(accepts, key, segment, [segment], size, is_cohort=False)


def completed(given: Mapping[str, Any], schema: Schema, defaults: Defaults) -> dict[str, Any]:
    """Return a mapping that says the key and the traffic type: by itself, or by the settings."""
    mapping = {"traffic_type": defaults.traffic_type, "traffic_types": defaults.traffic_types, **given}
    if "key" not in mapping:
        mapping["key"] = possible_paths(defaults.key, schema)
    return mapping


def key_source(mapping: Mapping[str, Any], schema: Schema) -> KeySource:
    """Return what reads the key and its traffic type.

    Raises:
        MappingError: One of them cannot be meant.
    """
    key, common, by_path = mapping["key"], mapping["traffic_type"], mapping["traffic_types"]
    whole = checked_source(key, schema, "key")
    if not isinstance(by_path, dict) or not all(isinstance(name, str) for name in by_path.values()):
        raise MappingError("'traffic_types' must be an object: path of a key to the traffic type of such keys.")
    if not isinstance(common, str):
        check_path(field_path(common), schema)
    if isinstance(key, dict):
        chosen = [(whole, common)]
    else:
        texts = [key] if isinstance(key, str) else key
        chosen = [(getter(parse_path(text)), by_path.get(text, common)) for text in texts]
    return KeySource(
        [(get, field_or_literal(name)) for get, name in chosen],
        frozenset(name.lower() for _, name in chosen if isinstance(name, str)),
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


def possible_paths(texts: Sequence[str], schema: Schema) -> list[str]:
    """Return those of setting `key`'s paths that a stream can have.

    Raises:
        MappingError: It can have none.
    """
    problems: list[MappingError] = []
    possible: list[str] = []
    for text in texts:
        try:
            check_path(parse_path(text), schema)
            possible.append(text)
        except MappingError as error:
            problems.append(error)
    if not possible:
        raise MappingError(f"setting 'key': {problems[0]} Name the column of the key there, or in 'mappings'.")
    return possible


def filter_of(mapping: Mapping[str, Any], schema: Schema) -> Callable[[Record], bool] | None:
    """Return the filter's test, if there is a filter."""
    conditions = mapping.get("filter")
    if conditions is None:
        return None
    if not isinstance(conditions, dict):
        raise MappingError("'filter' must be an object: path to a list of values or globs.")
    for path in conditions:
        check_path(parse_path(path), schema)
    return filter_test(conditions)


def source_of(mapping: Mapping[str, Any], member: str, schema: Schema) -> Getter | None:
    """Return what reads a member that is a source, if the mapping has it."""
    return checked_source(mapping[member], schema, member) if member in mapping else None


def checked_source(source: Any, schema: Schema, name: str) -> Getter:
    """Return what reads a source.

    Raises:
        MappingError: It is no source, or the stream cannot have one of its paths; the message begins with `name`.
    """
    try:
        for path in source_paths(source):
            check_path(path, schema)
        return source_getter(source)
    except MappingError as error:
        raise MappingError(f"{name}: {error}") from None
