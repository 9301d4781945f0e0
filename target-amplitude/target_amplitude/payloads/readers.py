"""What reads each part of a payload from the records of a stream, by its plan. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from target_amplitude.api import event_fields
from target_amplitude.common.errors import ConnectorError
from target_amplitude.common.record_paths import Getter, source_getter, source_paths
from target_amplitude.mapping.grammar import operation_sources
from target_amplitude.mapping.properties import Selection
from target_amplitude.payloads.event_type import EventTypeReader
from target_amplitude.payloads.identity import IdReader, ImpressionIdReader, TimeReader
from target_amplitude.payloads.insert_id import (
    ImpressionInsertId,
    InsertId,
    PeriodInsertId,
    RecordInsertId,
    SourceInsertId,
)
from target_amplitude.payloads.plan import StreamPlan
from target_amplitude.payloads.properties import (
    Change,
    FieldsReader,
    GroupsReader,
    OperationsReader,
    PropertiesReader,
)

# https://amplitude.com/docs/feature-experiment/under-the-hood/event-tracking
EXPOSURE_EVENT = "$exposure"


def ids(plan: StreamPlan) -> IdReader | ImpressionIdReader | None:
    """Return what reads a record's ids; None where the mapping names none."""
    sources = plan.id_sources()
    if plan.is_impression and not sources:
        return ImpressionIdReader(plan.settings.identity, plan.settings.min_id_length)
    if not sources:
        return None
    getters = {name: source_getter(source) for name, source in sources.items()}
    return IdReader(getters, plan.settings.min_id_length, plan.count)


def required_ids(plan: StreamPlan) -> IdReader | ImpressionIdReader:
    """Return what reads a record's ids.

    Raises:
        ConnectorError: The mapping names none.
    """
    reader = ids(plan)
    if reader is None:
        raise ConnectorError(f"Stream '{plan.stream}': map 'user_id' or 'device_id'; no column holds one.")
    return reader


def event_type(plan: StreamPlan) -> EventTypeReader:
    """Return what reads an event's type.

    Raises:
        ConnectorError: Neither a mapping nor a column gives it.
    """
    member = plan.mapping.get("event_type")
    if member is None:
        if plan.load_as == "exposure":
            member = EXPOSURE_EVENT
        elif plan.is_impression:
            member = plan.settings.event_type
        elif "event_type" in plan.columns:
            member = {"field": "event_type"}
        else:
            raise ConnectorError(f"Stream '{plan.stream}': map 'event_type'; no column holds it.")
    return EventTypeReader(member, plan.count)


def time(plan: StreamPlan) -> TimeReader | None:
    """Return what reads a record's time; None where the stream has none."""
    source = plan.mapping.get("time", "time" if "time" in plan.columns else None)
    return None if source is None else TimeReader(source_getter(source))


def insert_id(plan: StreamPlan) -> InsertId:
    """Return what gives the id by which Amplitude recognizes repeats."""
    derived: InsertId
    if plan.one_per_period:
        derived = PeriodInsertId(plan.load_as, plan.settings.dedupe)
    elif plan.is_impression:
        derived = ImpressionInsertId(plan.load_as)
    else:
        # A row about a user keeps its key while it changes: only the whole of it tells one change from another.
        keys = () if plan.load_as == "identify" else plan.keys
        derived = RecordInsertId(plan.load_as, plan.stream, keys)
    native = "insert_id" if plan.is_native and "insert_id" in plan.columns else None
    source = plan.mapping.get("insert_id", native)
    return derived if source is None else SourceInsertId(source_getter(source), derived)


def properties(plan: StreamPlan, member: str, *, default: Mapping[str, Any] | None = None) -> PropertiesReader | None:
    """Return what reads the properties of a selection.

    Args:
        plan: Of the stream.
        member: `event_properties`, `user_properties` or `group_properties`.
        default: Selection where the mapping has none; None: a native stream's own column, else nothing.
    """
    chosen = plan.mapping.get(member, default)
    column, _ = plan.base_of(member)
    if chosen is None and not (plan.is_native and column):
        return None
    if column is None:
        return PropertiesReader(Selection(chosen or {}, plan.read_elsewhere(member), of_record=True), None, plan.count)
    return PropertiesReader(Selection(chosen) if chosen else None, column, plan.count)


def fields(plan: StreamPlan, keys: Sequence[str]) -> FieldsReader | None:
    """Return what reads the other event keys that are mapped, or that native columns hold; None for none."""
    found: dict[str, Any] = {}
    if plan.is_native:
        found = {key: f'"{key}"' for key in keys if key in plan.columns}
    for member, source in plan.mapping.items():
        key = event_fields.ALIASES.get(member, member)
        if key in keys:
            found[key] = source
    columns: dict[str, str] = {}
    getters: dict[str, Getter] = {}
    for key, source in found.items():
        paths = source_paths(source)
        if len(paths) == 1 and len(paths[0]) == 1:
            columns[key] = paths[0][0]
        else:
            getters[key] = source_getter(source)
    return FieldsReader(columns, getters, plan.count) if found else None


def groups(plan: StreamPlan) -> GroupsReader | None:
    """Return what reads a record's groups; None where the stream has none."""
    if "groups" in plan.mapping:
        sources: dict[str, Getter] = {name: source_getter(source) for name, source in plan.mapping["groups"].items()}
        return GroupsReader(sources, "", plan.count)
    return GroupsReader(None, "groups", plan.count) if plan.is_native and "groups" in plan.columns else None


def operations(plan: StreamPlan) -> OperationsReader:
    """Return what reads the operations on user or group properties."""
    changes = [
        Change(operation, name, source_getter(source))
        for operation, name, source in operation_sources(plan.mapping.get("operations", {}))
    ]
    return OperationsReader(changes, plan.count)
