"""Which stream becomes what: known by its columns, or told by `mappings`. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from target_split.common.record_paths import MappingError, first_match

Kind = Literal["event", "segment", "cohort"]
Schema = Mapping[str, Any]

# By these columns a stream of tap-amplitude is known, whatever it is called.
EVENT_COLUMNS = frozenset({"event_type", "event_time", "event_properties"})
MEMBER_COLUMNS = frozenset({"cohort_id", "cohort_name", "cohort_size"})
COHORT_COLUMNS = frozenset({"id", "name", "size", "lastComputed"})

MEMBER_STREAM = "cohort_members"
SIZE_COLUMN = "cohort_size"


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
