"""What the mappings of events and of segments have in common: settings as defaults, keys, filters, sources. Pure.

The functions raise `MappingError` for a member that is malformed, or a path that the stream cannot have.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from target_split.api.limits import InvalidKeyError, clean_key
from target_split.common.record_paths import (
    Getter,
    MappingError,
    Record,
    check_path,
    field_or_literal,
    field_path,
    filter_test,
    getter,
    parse_path,
    source_getter,
    source_paths,
)
from target_split.mapping.stream_kind import Schema

COMMON_MEMBERS = ("load_as", "filter", "key", "traffic_type", "traffic_types")


@dataclass(frozen=True)
class Defaults:
    """Settings that a mapping may override.

    Attributes:
        traffic_types: By path of a key, or by the count group of an Amplitude cohort.
    """

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
        sources: Getters of a key and of its traffic type, in order of preference.
        named: Traffic types that settings name, in lower case; not those that records hold.
    """

    sources: Sequence[tuple[Getter, Getter]]
    named: frozenset[str]

    def __call__(self, record: Record) -> tuple[str | None, Any]:
        """Return the first key there is and its traffic type, or `(None, None)`.

        Raises:
            InvalidKeyError: There are only values that cannot be keys.
        """
        invalid: InvalidKeyError | None = None
        for get_key, get_traffic_type in self.sources:
            try:
                key = clean_key(get_key(record))
            except InvalidKeyError as error:
                invalid = error
                continue
            if key is not None:
                return key, get_traffic_type(record)
        if invalid is not None:
            raise invalid
        return None, None


def with_defaults(given: Mapping[str, Any], schema: Schema, defaults: Defaults) -> dict[str, Any]:
    """Return a mapping whose key and traffic type come from the settings where it has none."""
    mapping = {"traffic_type": defaults.traffic_type, "traffic_types": defaults.traffic_types, **given}
    if "key" not in mapping:
        mapping["key"] = possible_paths(defaults.key, schema)
    return mapping


def key_source(mapping: Mapping[str, Any], schema: Schema) -> KeySource:
    """Return what reads the key and its traffic type."""
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


def possible_paths(texts: Sequence[str], schema: Schema) -> list[str]:
    """Return those of setting `key`'s paths that a stream can have: one at least."""
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
    """Return what reads a source; messages about it begin with `name`."""
    try:
        for path in source_paths(source):
            check_path(path, schema)
        return source_getter(source)
    except MappingError as error:
        raise MappingError(f"{name}: {error}") from None
