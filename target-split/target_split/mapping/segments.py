"""How the records of a stream become members of segments: setting `mappings` made into functions. Pure."""

from __future__ import annotations

import string
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from target_split.common.errors import hint
from target_split.common.number_ids import id_text
from target_split.common.record_paths import Getter, MappingError, Record, check_members, getter, is_empty
from target_split.mapping.names import SEGMENT_RULE, clean_part, complete, is_clean
from target_split.mapping.sources import (
    COMMON_MEMBERS,
    Defaults,
    KeySource,
    filter_of,
    key_source,
    source_of,
    with_defaults,
)
from target_split.mapping.stream_kind import CHANGE_COLUMNS, MEMBER_COLUMNS, SIZE_COLUMN, Schema, is_known

SEGMENT_MEMBERS = (*COMMON_MEMBERS, "segment")

# What Amplitude calls the group of ordinary cohorts; any other name means that a cohort's members are not users.
USERS = "user"


@dataclass(frozen=True)
class ListName:
    """What a list of members is called, and which segment it fills.

    Attributes:
        segment: The segment's name.
        second_choice: The segment's name where another cohort has the first; None for a list that is not a cohort.
        label: What messages call the list.
        description: What a new segment is described by.
    """

    segment: str
    second_choice: str | None
    label: str
    description: str


class GroupError(Exception):
    """A cohort whose members are not users, and no setting says what they are. The message says what to do."""


@dataclass(frozen=True)
class SegmentMapping:
    """How a record becomes a member of a segment.

    Attributes:
        group: What tells one list of members from another: the cohort's id, or the segment's name.
        title: The segment's name before cleaning: literal text and what a record gives.
        size: Rows in the whole list, where the stream has them.
        is_cohort: Whether the lists are cohorts of Amplitude, named by its columns.
        group_types: Traffic type by the lower-case count group of a cohort.
    """

    accepts: Callable[[Record], bool] | None
    key: KeySource
    group: Getter
    title: Sequence[str | Getter]
    size: Getter | None
    is_cohort: bool
    group_types: Mapping[str, str]

    def name(self, record: Record) -> ListName:
        """Return what the list is called that a record belongs to; a cohort without a name is called by its id."""
        group = id_text(self.group(record))
        raw = [part if isinstance(part, str) else self._text(part(record), group) for part in self.title]
        clean = [
            text if isinstance(part, str) else clean_part(SEGMENT_RULE, text)
            for part, text in zip(self.title, raw, strict=True)
        ]
        segment = complete(SEGMENT_RULE, "".join(clean), "".join(raw))
        if not self.is_cohort:
            return ListName(segment, None, f"list '{''.join(raw)}'", "Filled by target-split")
        second = complete(SEGMENT_RULE, f"{segment}_{clean_part(SEGMENT_RULE, group)}", f"{''.join(raw)} {group}")
        cohort = self._text(record.get("cohort_name"), group)
        return ListName(segment, second, f"cohort '{cohort}'", f"Amplitude cohort '{cohort}', cohort id {group}")

    def member(self, record: Record) -> tuple[str | None, str]:
        """Return a member's key, None where there is none, and its traffic type in lower case.

        Raises:
            GroupError: The record belongs to a cohort of groups that `traffic_types` does not name.
        """
        key, traffic_type = self.key(record)
        counted = record.get("count_group") if self.is_cohort else None
        if isinstance(counted, str) and counted.strip().lower() not in ("", USERS):
            traffic_type = self.group_types.get(counted.strip().lower())
            if traffic_type is None:
                raise GroupError(
                    f"its members are not users but groups of type '{counted}'. Say in setting 'traffic_types' which "
                    f'traffic type they are ({{"{counted}": "account"}}, for example), or leave the cohort out.'
                )
        return key, str(traffic_type or "").lower()

    def _text(self, value: Any, group: str) -> str:
        return group if self.is_cohort and is_empty(value) else str(value)


def segment_mapping(schema: Schema, given: Mapping[str, Any], defaults: Defaults) -> SegmentMapping:
    """Return how the records of a stream become members of segments; arguments as for `event_mapping`.

    Raises:
        MappingError: The mapping is malformed, or the stream cannot have one of its paths.
    """
    check_members(given, SEGMENT_MEMBERS)
    mapping = with_defaults(given, schema, defaults)
    key, accepts = key_source(mapping, schema), filter_of(given, schema)
    group_types = {name.strip().lower(): traffic_type for name, traffic_type in mapping["traffic_types"].items()}
    size = getter((SIZE_COLUMN,)) if SIZE_COLUMN in schema.get("properties", ()) else None
    segment = source_of(given, "segment", schema)
    if is_known(schema, MEMBER_COLUMNS) or is_known(schema, CHANGE_COLUMNS):
        title = [segment] if segment else template_parts(defaults.segment_name, schema["properties"])
        return SegmentMapping(accepts, key, getter(("cohort_id",)), title, size, True, group_types)
    if segment is None:
        raise MappingError("'segment' is missing (the name of the segment a record belongs to).")
    return SegmentMapping(accepts, key, segment, [segment], size, False, group_types)


def template_parts(template: str, columns: Mapping[str, Any]) -> list[str | Getter]:
    """Return a template (`amp_{cohort_name}`) as literal text and getters of columns.

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
            raise MappingError(f"Setting 'segment_name': there is no column '{column}'.{hint(column, columns)}")
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


def check_template(template: str) -> None:
    """Check the template of segment names.

    Raises:
        MappingError: It is malformed.
    """
    for literal, _, _, _ in template_pieces(template):
        if not is_clean(SEGMENT_RULE, literal):
            raise MappingError("Setting 'segment_name' may hold letters, digits, '-' and '_' beside columns in braces.")
