"""What a stream's records become, worked out once from its mapping, its schema and the settings. Pure.

Three kinds of streams need no mapping: impressions, streams whose columns are the keys of Amplitude's events, and -
loaded as `identify` - streams whose columns are the keys of an identification. A mapping overrides what such a stream
has of itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from target_amplitude.api import event_fields
from target_amplitude.api.coerce import Count
from target_amplitude.common.errors import ConnectorError
from target_amplitude.common.record_paths import (
    MappingError,
    check_path,
    first_match,
    parse_path,
    source_paths,
)
from target_amplitude.mapping.grammar import SELECTIONS, SOURCES, LoadSettings, mapped_paths
from target_amplitude.mapping.properties import plain_names, selected_columns
from target_amplitude.payloads import impressions
from target_amplitude.payloads.insert_id import PERIODS

SHOWN_NAMES = 8
# Columns with a place of their own in an event.
NATIVE_COLUMNS = frozenset({"event_type", *SOURCES, *SELECTIONS, "groups", *event_fields.PLAIN_KEYS})


class StreamPlan:
    """What a stream is, and which members of its mapping apply.

    Attributes:
        count: Called with the reason of each change to a record's values.
        load_as: `event`, `exposure` or `identify`.
        notes: What the user should know about the mapping, in sentences.

    Raises:
        ConnectorError: The mapping does not fit the stream, or there is none and the stream is of no known kind.
    """

    def __init__(
        self, stream: str, schema: Mapping[str, Any], keys: Sequence[str], settings: LoadSettings, count: Count
    ) -> None:
        self.stream = stream
        self.schema = schema
        self.columns: Mapping[str, Any] = schema.get("properties") or {}
        self.keys = keys
        self.settings = settings
        self.count = count
        own = first_match(stream, settings.mappings)
        self.mapping: Mapping[str, Any] = own or {}
        self.load_as: str = self.mapping.get("load_as", settings.load_as)
        self.is_impression = impressions.is_impression(schema)
        self.is_native = not self.is_impression and self._has_native_columns()
        self.notes: list[str] = []
        if own is None and not self.is_impression and not self.is_native:
            raise ConnectorError(
                f"Stream '{stream}' is of no known kind. Add a mapping for it to 'mappings' (at least event_type and "
                "user_id or device_id), or name its columns like the keys of an Amplitude event."
            )
        self._check_paths()
        self._note_what_has_no_effect()

    def _note_what_has_no_effect(self) -> None:
        idle = [member for member in self.mapping if member in self._members_without_effect()]
        if idle:
            self.notes.append(
                f"Stream '{self.stream}', loaded as {self.load_as}: {quoted(idle)} in 'mappings' has no effect."
            )
        if self._is_deduped and not self.one_per_period:
            self.notes.append(
                f"Stream '{self.stream}': 'insert_id' in 'mappings' takes precedence over the setting 'dedupe'."
            )
        unsent = [name for name in self.columns if name not in NATIVE_COLUMNS and not name.startswith("_sdc_")]
        if self.is_native and unsent and not self.mapping:
            self.notes.append(
                f"Stream '{self.stream}': {quoted(unsent)} are not keys of an event and are not sent. Use a mapping to "
                "send them."
            )

    def _members_without_effect(self) -> set[str]:
        if self.load_as == "identify":
            unknown = {*event_fields.PLAIN_KEYS, *event_fields.ALIASES} - {*event_fields.IDENTIFICATION_KEYS}
            return {"event_type", "event_properties", *unknown}
        return {"event_properties"} if self.load_as == "exposure" and self.is_impression else set()

    def _has_native_columns(self) -> bool:
        needed = "user_properties" if self.load_as == "identify" else "event_type"
        return needed in self.columns and bool(self._unmapped_id_sources())

    # Paths

    def _check_paths(self) -> None:
        for member, path in mapped_paths(self.mapping):
            self._check_path(member, path, self.schema)
        for member in SELECTIONS:
            column, schema = self.base_of(member)
            for name in plain_names(self.mapping.get(member, {})):
                if self.is_impression and column is None:
                    continue  # any name may come from the SDK's caller
                self._check_path(member, parse_path(name), schema)

    def _check_path(self, member: str, path: tuple[str, ...], schema: Mapping[str, Any]) -> None:
        try:
            check_path(path, schema)
        except MappingError as error:
            raise ConnectorError(f"Stream '{self.stream}', mapping '{member}': {error}") from None

    def base_of(self, member: str) -> tuple[str | None, Mapping[str, Any]]:
        """Return the object column that properties are selected from, and its schema; or None and the record's."""
        if not self.is_impression and member in self.columns:
            return member, self.columns[member]
        return None, self.schema

    def column_of(self, member: str) -> str | None:
        """Return the object column that properties of a selection are in; None where they are the record's columns."""
        return self.base_of(member)[0]

    def is_always_set(self, column: str) -> bool:
        """Whether a column is in every record that keeps the schema, and never null."""
        types = self.columns.get(column, {}).get("type", "null")
        return types != "null" and "null" not in types

    def read_elsewhere(self, member: str) -> set[str]:
        """Return the columns that are not properties by default because other members read them."""
        columns = {path[0] for name, path in mapped_paths(self.mapping) if name != "filter"}
        columns |= {path[0] for source in self.id_sources().values() for path in source_paths(source)}
        if "time" not in self.mapping:
            columns.add("time")
        if self.is_native:
            columns |= NATIVE_COLUMNS
        for other in SELECTIONS:
            if other != member:
                columns |= selected_columns(self.mapping.get(other, {}))
        return columns

    def id_sources(self) -> dict[str, Any]:
        """Return where ids come from, by `user_id` and `device_id`; nothing for impressions without a mapping."""
        mapped = {name: self.mapping[name] for name in ("user_id", "device_id") if name in self.mapping}
        return mapped if mapped or self.is_impression else self._unmapped_id_sources()

    def _unmapped_id_sources(self) -> dict[str, Any]:
        """Return where ids are without a mapping: where the settings say, if the stream has it, or in their columns."""
        found = {}
        for name, source in (("user_id", self.settings.user_id), ("device_id", self.settings.device_id)):
            if source is not None and any(path[0] in self.columns for path in source_paths(source)):
                found[name] = source
            elif name in self.columns:
                found[name] = name
        return found

    @property
    def one_per_period(self) -> bool:
        """Whether `dedupe` makes one event of several records. A mapped `insert_id` takes precedence."""
        return self._is_deduped and "insert_id" not in self.mapping

    @property
    def _is_deduped(self) -> bool:
        return self.is_impression and self.load_as != "identify" and self.settings.dedupe in PERIODS


def quoted(names: Sequence[str]) -> str:
    """Return the first few names for a sentence."""
    shown = ", ".join(f"'{name}'" for name in names[:SHOWN_NAMES])
    return shown if len(names) <= SHOWN_NAMES else f"{shown} and {len(names) - SHOWN_NAMES} more"
