"""What a stream becomes: events, members of segments, or sizes of cohorts; and the words of `mappings`. Pure.

Streams of tap-amplitude are known by their columns; `mappings` changes what is known of them, member by member, and
says all of any other stream.
"""

from __future__ import annotations

import string
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from .command import hint
from .limits import clean_key
from .names import SEGMENT_RULE, clean_part, complete
from .paths import (
    Getter,
    MappingError,
    Record,
    check_members,
    check_path,
    field_or_literal,
    field_path,
    filter_test,
    first_match,
    getter,
    is_empty,
    parse_path,
    source_getter,
    source_paths,
)
from .properties import check_entries

Kind = Literal["event", "segment", "cohort"]
Schema = Mapping[str, Any]

COMMON_MEMBERS = ("load_as", "filter", "key", "traffic_type")
EVENT_MEMBERS = (*COMMON_MEMBERS, "traffic_types", "event_type", "time", "event_id", "properties", "value")
SEGMENT_MEMBERS = (*COMMON_MEMBERS, "segment")

# By these columns a stream of tap-amplitude is known, whatever it is called.
EVENT_COLUMNS = frozenset({"event_type", "event_time", "event_properties"})
MEMBER_COLUMNS = frozenset({"cohort_id", "cohort_name", "cohort_size"})
COHORT_COLUMNS = frozenset({"id", "name", "size", "lastComputed"})

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

MEMBER_STREAM = "cohort_members"
SIZE_COLUMN = "cohort_size"


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
    """Reads a record's key and the traffic type that goes with it."""

    sources: Sequence[tuple[Getter, Getter]]

    def __call__(self, record: Record) -> tuple[str | None, Any]:
        """Return the first key there is and its traffic type; no key gives `(None, None)`."""
        for get_key, get_traffic_type in self.sources:
            if (key := clean_key(get_key(record))) is not None:
                return key, get_traffic_type(record)
        return None, None


@dataclass(frozen=True)
class EventMapping:
    """How a record becomes an event. `value` and `event_id` may be absent."""

    accepts: Callable[[Record], bool] | None
    key: KeySource
    event_type: Getter
    time: Getter
    properties: Sequence[str]
    value: Getter | None
    event_id: Getter | None
    traffic_types: frozenset[str]


@dataclass(frozen=True)
class Naming:
    """What a list of members is called.

    Attributes:
        name: The segment's name.
        label: What messages call the list.
        description: What the segment is described by when it is made.
    """

    name: str
    label: str
    description: str


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
    traffic_types: frozenset[str]

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


def is_known(schema: Schema, columns: frozenset[str]) -> bool:
    """Whether a stream has all of some columns."""
    return columns.issubset(schema.get("properties", ()))


def given_for(stream: str, mappings: Mapping[str, Mapping[str, Any]]) -> Mapping[str, Any]:
    """Return the mapping of a stream, empty when there is none."""
    return first_match(stream, mappings) or {}


def kind_of(stream: str, schema: Schema, given: Mapping[str, Any]) -> Kind:
    """Return what a stream becomes.

    Raises:
        MappingError: Neither its columns nor a mapping tell.
    """
    if given:
        return load_as(given, schema)
    if is_known(schema, MEMBER_COLUMNS):
        return "segment"
    if is_known(schema, COHORT_COLUMNS):
        return "cohort"
    if is_known(schema, EVENT_COLUMNS):
        return "event"
    raise MappingError(
        f"Stream '{stream}' is none of those this target knows. Deselect it in the tap, or say in setting 'mappings' "
        "what its event type, key and time are (or its segment and key)."
    )


def load_as(given: Mapping[str, Any], schema: Schema) -> Kind:
    """Return what a mapped stream becomes.

    Raises:
        MappingError: `load_as` is none of its options.
    """
    wanted = given.get("load_as")
    if wanted in ("event", "segment"):
        return wanted  # type: ignore[no-any-return]
    if wanted is not None:
        raise MappingError(f"'load_as' must be 'event' or 'segment', not {wanted!r}.")
    return "segment" if "segment" in given or is_known(schema, MEMBER_COLUMNS) else "event"


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
    mapping = {**known, **given}
    for member, why in (("event_type", "its name in Split"), ("time", "when it happened")):
        if member not in mapping:
            raise MappingError(f"'{member}' is missing ({why}).")
    event_type = mapping["event_type"]
    if not isinstance(event_type, str):
        check_path(field_path(event_type), schema)
    value = source_of(mapping, "value", schema)
    if value is None and not is_empty(defaults.value):
        value = checked_source(defaults.value, schema, "Setting 'value'")
    key, traffic_types = key_source(schema, mapping, defaults)
    return EventMapping(
        filter_of(mapping, schema),
        key,
        field_or_literal(event_type),
        checked_source(mapping["time"], schema, "time"),
        properties_of(mapping, schema, defaults),
        value,
        source_of(mapping, "event_id", schema),
        traffic_types,
    )


def segment_mapping(schema: Schema, given: Mapping[str, Any], defaults: Defaults) -> SegmentMapping:
    """Return how the records of a stream become members of segments; arguments and errors as `event_mapping`."""
    check_members(given, SEGMENT_MEMBERS)
    key, traffic_types = key_source(schema, given, defaults)
    accepts = filter_of(given, schema)
    size = getter((SIZE_COLUMN,)) if SIZE_COLUMN in schema.get("properties", {}) else None
    segment = source_of(given, "segment", schema)
    if is_known(schema, MEMBER_COLUMNS):
        title = [segment] if segment else template_parts(defaults.segment_name, schema["properties"])
        return SegmentMapping(accepts, key, getter(("cohort_id",)), title, size, True, traffic_types)
    if segment is None:
        raise MappingError("'segment' is missing (the name of the segment a record belongs to).")
    return SegmentMapping(accepts, key, segment, [segment], size, False, traffic_types)


def key_source(schema: Schema, mapping: Mapping[str, Any], defaults: Defaults) -> tuple[KeySource, frozenset[str]]:
    """Return what reads the key, and the traffic types that are written in settings (not read from records)."""
    if "key" in mapping:
        literal = isinstance(mapping["key"], dict)
        checked_source(mapping["key"], schema, "key")
        texts = [] if literal else [mapping["key"]] if isinstance(mapping["key"], str) else list(mapping["key"])
        getters = [source_getter(mapping["key"])] if literal else [getter(parse_path(text)) for text in texts]
    else:
        texts = possible_paths(defaults.key, schema)
        getters = [getter(parse_path(text)) for text in texts]
    by_path = mapping.get("traffic_types", defaults.traffic_types)
    traffic_type = mapping.get("traffic_type", defaults.traffic_type)
    if not isinstance(traffic_type, str):
        check_path(field_path(traffic_type), schema)
    chosen = [by_path.get(text, traffic_type) for text in texts] or [traffic_type]
    sources = [(get, field_or_literal(name)) for get, name in zip(getters, chosen, strict=True)]
    return KeySource(sources), frozenset(name.lower() for name in chosen if isinstance(name, str))


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


def properties_of(mapping: Mapping[str, Any], schema: Schema, defaults: Defaults) -> Sequence[str]:
    """Return the entries that choose properties; those of the setting may name columns of other streams."""
    if "properties" not in mapping:
        return defaults.properties
    entries = mapping["properties"]
    if not isinstance(entries, list) or not all(isinstance(entry, str) for entry in entries):
        raise MappingError("'properties' must be a list of paths and globs.")
    check_entries(entries, dict(schema))
    return entries


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


def template_parts(template: str, columns: Mapping[str, Any]) -> list[str | Getter]:
    """Return a template (`amp_{cohort_name}`) as literal text and what a record gives.

    Raises:
        MappingError: It is malformed, or names a column that the stream does not have.
    """
    parts: list[str | Getter] = []
    for literal, column, form, conversion in template_pieces(template):
        if literal:
            parts.append(literal)
        if column is None:
            continue
        if form or conversion or column not in columns:
            raise MappingError(
                f"Setting 'segment_name': there is no column '{column}' to put in.{hint(column, columns)}"
            )
        parts.append(getter((column,)))
    return parts


def template_pieces(template: str) -> list[tuple[str, str | None, str | None, str | None]]:
    """Parse a template.

    Raises:
        MappingError: It is malformed.
    """
    try:
        return list(string.Formatter().parse(template))
    except ValueError:
        raise MappingError("Setting 'segment_name': write columns in braces, as in 'amp_{cohort_name}'.") from None
