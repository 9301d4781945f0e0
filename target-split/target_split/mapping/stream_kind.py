"""Which stream becomes what: recognized by its columns, or named in `mappings`. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from target_split.common.record_paths import MappingError, first_match

Kind = Literal["event", "segment", "cohort", "change"]
Schema = Mapping[str, Any]

# tap-amplitude's streams are recognized by these columns, whatever they are called.
EVENT_COLUMNS = frozenset({"event_type", "event_time", "event_properties"})
MEMBER_COLUMNS = frozenset({"cohort_id", "cohort_name", "user_id"})
COHORT_COLUMNS = frozenset({"id", "name", "size", "lastComputed"})
CHANGE_COLUMNS = frozenset({"cohort_id", "message_id", "computed_time", "action"})
COLUMNS: dict[Kind, frozenset[str]] = {  # in the order in which they are looked for
    "change": CHANGE_COLUMNS,
    "segment": MEMBER_COLUMNS,
    "cohort": COHORT_COLUMNS,
    "event": EVENT_COLUMNS,
}

MEMBER_STREAM = "cohort_members"
SIZE_COLUMN = "cohort_size"


def is_known(schema: Schema, columns: frozenset[str]) -> bool:
    """Whether a stream has all of some columns."""
    return columns.issubset(schema.get("properties", ()))


def given_for(stream: str, mappings: Mapping[str, Mapping[str, Any]]) -> Mapping[str, Any]:
    """Return the mapping of a stream, empty when there is none."""
    return first_match(stream, mappings) or {}


def kind_of(schema: Schema, given: Mapping[str, Any]) -> Kind:
    """Return what a stream becomes.

    Raises:
        MappingError: Neither its columns nor a mapping tell.
    """
    if given:
        return load_as(given, schema)
    kind = known_kind(schema)
    if kind is None:
        raise MappingError(
            "this target does not know it. Deselect it in the tap, or describe it in setting 'mappings': its event"
            " type, key and time, or its segment and key."
        )
    return kind


def known_kind(schema: Schema) -> Kind | None:
    """Return what a stream becomes by its columns alone, if they tell."""
    return next((kind for kind, columns in COLUMNS.items() if is_known(schema, columns)), None)


def load_as(given: Mapping[str, Any], schema: Schema) -> Kind:
    """Return what a mapped stream becomes.

    Raises:
        MappingError: `load_as` is not one of its options.
    """
    wanted = given.get("load_as")
    if wanted is None:
        known = known_kind(schema)
        return known if known in ("segment", "change") else "segment" if "segment" in given else "event"
    if wanted not in ("event", "segment"):
        raise MappingError(f"'load_as' must be 'event' or 'segment', not {wanted!r}.")
    return "change" if wanted == "segment" and is_known(schema, CHANGE_COLUMNS) else wanted
