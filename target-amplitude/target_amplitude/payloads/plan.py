"""What a stream's records become, worked out once from its mapping, its schema and the settings. Pure.

Three kinds of streams need no mapping: impressions, streams whose columns are the keys of Amplitude's events, and -
loaded as `identify` - those whose columns are the keys of an identification. A mapping is laid over what such a
stream has of itself.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from target_amplitude.api import event_fields, limits
from target_amplitude.api.limits import Count
from target_amplitude.common.errors import ConnectorError
from target_amplitude.common.record_paths import (
    Getter,
    MappingError,
    Record,
    check_path,
    field_or_literal,
    filter_test,
    first_match,
    parse_path,
    source_getter,
    source_paths,
)
from target_amplitude.mapping.grammar import SELECTIONS, SOURCES, Loading, mapped_paths, operation_sources
from target_amplitude.mapping.properties import Select, Selection, plain_names, selected_columns
from target_amplitude.payloads import impressions, insert_id
from target_amplitude.payloads.identity import Ids, ids_reader, time_reader
from target_amplitude.payloads.insert_id import InsertId

# https://amplitude.com/docs/feature-experiment/under-the-hood/event-tracking
EXPOSURE_EVENT = "$exposure"

SHOWN_NAMES = 8
# Columns with a place of their own in an event.
NATIVE_COLUMNS = frozenset({"event_type", *SOURCES, *SELECTIONS, "groups", *event_fields.PLAIN_KEYS})

Change = tuple[str, str, Getter]  # operation, property, value


class StreamPlan:
    """Reads of a stream's records what an event or identification needs.

    Args:
        stream: Its name.
        schema: Its JSON Schema.
        keys: Its key properties.
        loading: The settings.
        count: Called with the reason of each mending of a record.

    Raises:
        ConnectorError: The mapping does not fit the stream, or there is none and the stream is of no known kind.
    """

    def __init__(
        self, stream: str, schema: Mapping[str, Any], keys: Sequence[str], loading: Loading, count: Count
    ) -> None:
        self.stream = stream
        self.schema = schema
        self.columns: Mapping[str, Any] = schema.get("properties") or {}
        self.keys = keys
        self.loading = loading
        self.count = count
        own = first_match(stream, loading.mappings)
        self.mapping: Mapping[str, Any] = own or {}
        self.way: str = self.mapping.get("load_as", loading.load_as)
        self.is_impression = impressions.is_impression(schema)
        self.is_native = not self.is_impression and self._has_native_columns()
        self.notes: list[str] = []
        if own is None and not self.is_impression and not self.is_native:
            raise ConnectorError(
                f"Stream '{stream}' is of no known kind. Say in 'mappings' what it becomes (event_type and user_id or "
                "device_id at least), or name its columns as Amplitude names the keys of an event."
            )
        self._check_paths()
        self._note_what_has_no_effect()

    def _note_what_has_no_effect(self) -> None:
        """Say which members of the mapping mean nothing in this way, and which columns are not sent."""
        idle = [member for member in self.mapping if member in self._meaningless_members()]
        if idle:
            self.notes.append(
                f"Stream '{self.stream}', loaded as {self.way}: {quoted(idle)} in 'mappings' has no effect."
            )
        if self._is_deduped and not self.one_per_period:
            self.notes.append(f"Stream '{self.stream}': 'insert_id' in 'mappings' goes before the setting 'dedupe'.")
        unsent = [name for name in self.columns if name not in NATIVE_COLUMNS and not name.startswith("_sdc_")]
        if self.is_native and unsent and not self.mapping:
            self.notes.append(
                f"Stream '{self.stream}': {quoted(unsent)} are no keys of an event and are not sent; a mapping can."
            )

    def _meaningless_members(self) -> set[str]:
        if self.way == "identify":
            unknown = {*event_fields.PLAIN_KEYS, *event_fields.ALIASES} - {*event_fields.IDENTIFICATION_KEYS}
            return {"event_type", "event_properties", *unknown}
        return {"event_properties"} if self.way == "exposure" and self.is_impression else set()

    def _has_native_columns(self) -> bool:
        what = "user_properties" if self.way == "identify" else "event_type"
        return what in self.columns and bool(self._own_ids())

    # Paths

    def _check_paths(self) -> None:
        for member, path in mapped_paths(self.mapping):
            try:
                check_path(path, self.schema)
            except MappingError as error:
                raise ConnectorError(f"Stream '{self.stream}', mapping '{member}': {error}") from None
        for member in SELECTIONS:
            base, schema = self._base_of(member)
            for name in plain_names(self.mapping.get(member, {})):
                if self.is_impression and base is None:
                    continue  # any name may come from the SDK's caller
                try:
                    check_path(parse_path(name), schema)
                except MappingError as error:
                    raise ConnectorError(f"Stream '{self.stream}', mapping '{member}': {error}") from None

    def _base_of(self, member: str) -> tuple[str | None, Mapping[str, Any]]:
        """Return the object column that properties are chosen from, and its schema; or None and the record's."""
        if not self.is_impression and member in self.columns:
            return member, self.columns[member]
        return None, self.schema

    def _read_elsewhere(self, member: str) -> set[str]:
        """Return the columns that are no properties of their own accord: other members read them."""
        columns = {path[0] for name, path in mapped_paths(self.mapping) if name != "filter"}
        columns |= {path[0] for source in self._id_sources().values() for path in source_paths(source)}
        columns |= {name for name in self.columns if name.startswith("_sdc_")}
        if "time" not in self.mapping:
            columns.add("time")
        if self.is_native:
            columns |= NATIVE_COLUMNS
        for other in SELECTIONS:
            if other != member:
                columns |= selected_columns(self.mapping.get(other, {}))
        return columns

    # Readers

    def accepts(self) -> Callable[[Record], bool] | None:
        """Return the mapping's filter."""
        conditions = self.mapping.get("filter")
        return filter_test(conditions) if conditions else None

    def _id_sources(self) -> dict[str, Any]:
        mapped = {name: self.mapping[name] for name in ("user_id", "device_id") if name in self.mapping}
        return mapped if mapped or self.is_impression else self._own_ids()

    def _own_ids(self) -> dict[str, Any]:
        """Return where ids are without a mapping: where the settings say, if the stream has it, or in their columns."""
        found = {}
        for name, source in (("user_id", self.loading.user_id), ("device_id", self.loading.device_id)):
            if source is not None and any(path[0] in self.columns for path in source_paths(source)):
                found[name] = source
            elif name in self.columns:
                found[name] = name
        return found

    def ids(self) -> Ids | None:
        """Return a function that gives a record's ids; None where the mapping names none."""
        sources = self._id_sources()
        if self.is_impression and not sources:
            return impressions.identity_reader(self.loading.identity, self.loading.min_id_length)
        if not sources:
            return None
        return ids_reader(
            {name: source_getter(source) for name, source in sources.items()}, self.loading.min_id_length, self.count
        )

    def needed_ids(self) -> Ids:
        """Return a function that gives a record's ids.

        Raises:
            ConnectorError: The mapping names none.
        """
        ids = self.ids()
        if ids is None:
            raise ConnectorError(f"Stream '{self.stream}': map 'user_id' or 'device_id'; no column tells whose it is.")
        return ids

    def event_type(self) -> tuple[str, Getter]:
        """Return the type of all events, empty when they differ, and a function that gives an event's type."""
        member = self.mapping.get("event_type")
        if member is None:
            if self.way == "exposure":
                member = EXPOSURE_EVENT
            elif self.is_impression:
                member = self.loading.event_type
            elif "event_type" in self.columns:
                member = {"field": "event_type"}
            else:
                raise ConnectorError(f"Stream '{self.stream}': map 'event_type'; no column tells it.")
        get, count = field_or_literal(member), self.count
        return member if isinstance(member, str) else "", lambda record: limits.event_type(get(record), count)

    def time(self) -> Callable[[Record], int] | None:
        """Return a function that gives a record's time in epoch milliseconds; None where a stream has none."""
        source = self.mapping.get("time", "time" if "time" in self.columns else None)
        if source is None:
            return None
        return time_reader(source_getter(source))

    def insert_id(self) -> InsertId:
        """Return a function that gives the id by which Amplitude recognises repeats."""
        if self.is_impression:
            derived = insert_id.of_impression(self.way)
            if self.one_per_period:
                derived = insert_id.of_impression_period(self.way, self.loading.dedupe)
        else:
            # A row about a user keeps its key while it changes: only the whole of it tells one change from another.
            keys = () if self.way == "identify" else self.keys
            derived = insert_id.of_record(self.way, self.stream, keys)
        native = "insert_id" if self.is_native and "insert_id" in self.columns else None
        source = self.mapping.get("insert_id", native)
        return derived if source is None else insert_id.of_source(source_getter(source), derived)

    @property
    def one_per_period(self) -> bool:
        """Whether `dedupe` makes several records one. An `insert_id` that is mapped tells by itself what is one."""
        return self._is_deduped and "insert_id" not in self.mapping

    @property
    def _is_deduped(self) -> bool:
        return self.is_impression and self.way != "identify" and self.loading.dedupe in insert_id.PERIODS

    def properties(self, member: str, *, default: Mapping[str, Any] | None = None) -> Select | None:
        """Return a function that gives the properties a selection names.

        Args:
            member: `event_properties`, `user_properties` or `group_properties`.
            default: Selection where the mapping has none; None: a native stream's own column, else nothing.
        """
        chosen = self.mapping.get(member, default)
        base, _ = self._base_of(member)
        if chosen is None and not (self.is_native and base):
            return None
        count = self.count
        if base is None:
            select: Select = Selection(chosen or {}, self._read_elsewhere(member))
        else:
            inside, column = (Selection(chosen) if chosen else None), base

            def select(record: Record) -> dict[str, Any]:
                value = record.get(column)
                if not isinstance(value, dict):
                    if value is not None:
                        count(limits.WRONG_TYPE)
                    return {}
                return inside(value) if inside else value

        def read(record: Record) -> dict[str, Any]:
            properties = select(record)
            return properties if limits.is_plain(properties) else limits.clean_properties(properties, count)

        return read

    def others(self, keys: Sequence[str]) -> list[tuple[str, Getter, Callable[[Any], Any]]]:
        """Return event key, source and type of what else is mapped, or native columns hold."""
        found: dict[str, Any] = {}
        if self.is_native:
            found = {key: f'"{key}"' for key in keys if key in self.columns}
        for member, source in self.mapping.items():
            key = event_fields.ALIASES.get(member, member)
            if key in keys:
                found[key] = source
        return [(key, source_getter(source), event_fields.reader(key, self.count)) for key, source in found.items()]

    def groups(self) -> Callable[[Record], dict[str, Any]] | None:
        """Return a function that gives a record's groups."""
        count = self.count
        if "groups" in self.mapping:
            sources = [(name, source_getter(source)) for name, source in self.mapping["groups"].items()]
            return lambda record: limits.group_values({name: get(record) for name, get in sources}, count)
        if self.is_native and "groups" in self.columns:
            return lambda record: limits.group_values(record.get("groups"), count)
        return None

    def changes(self) -> list[Change]:
        """Return the operations on user or group properties."""
        return [
            (operation, name, source_getter(source))
            for operation, name, source in operation_sources(self.mapping.get("operations", {}))
        ]


def quoted(names: Sequence[str]) -> str:
    """Return names for a sentence, the first few of them."""
    shown = ", ".join(f"'{name}'" for name in names[:SHOWN_NAMES])
    return shown if len(names) <= SHOWN_NAMES else f"{shown} and {len(names) - SHOWN_NAMES} more"
