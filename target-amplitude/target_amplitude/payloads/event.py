"""Makes Amplitude events of records. Pure."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import version
from typing import Any

from target_amplitude.api import event_fields
from target_amplitude.api.limits import OPERATIONS, RESERVED_NAME, Count, clean_properties, number
from target_amplitude.common.errors import ConnectorError
from target_amplitude.common.record_paths import Getter, Record, field_or_literal
from target_amplitude.mapping.properties import Select, Selection
from target_amplitude.payloads import impressions
from target_amplitude.payloads.impressions import LeftOut
from target_amplitude.payloads.plan import Change, StreamPlan

# "library" is Amplitude's place for the client's name, https://amplitude.com/docs/apis/analytics/http-v2
LIBRARY = f"target-amplitude/{version('target-amplitude')}"

EventMaker = Callable[[Record], dict[str, Any]]


def event_maker(plan: StreamPlan) -> EventMaker:
    """Return a function that makes an event of a record.

    It raises:
        LeftOut: The record is not meant to be sent.
        Unusable: It can never be delivered.
    """
    ids, time = plan.needed_ids(), plan.time()
    fixed_type, type_of = plan.event_type()
    insert_id = plan.insert_id()
    members = further_members(plan)
    event_properties = event_properties_reader(plan)
    if time is None:
        plan.notes.append(f"Stream '{plan.stream}' has no 'time': Amplitude takes the time of arrival.")

    def make(record: Record) -> dict[str, Any]:
        event = ids(record)
        event["event_type"] = fixed_type or type_of(record)
        if time is not None:
            event["time"] = time(record)
        if event_properties is not None:
            event["event_properties"] = event_properties(record)
        for name, read in members:
            if (value := read(record)) not in (None, {}):
                event[name] = value
        event["insert_id"] = insert_id(record, event)
        event["library"] = LIBRARY
        return event

    return make


def event_properties_reader(plan: StreamPlan) -> Select | None:
    """Return a function that gives an event's own properties."""
    if plan.way == "exposure":
        if not plan.is_impression:
            return foreign_exposure(plan)
        experiment_key = plan.loading.experiment_key
        get = field_or_literal(experiment_key) if experiment_key else lambda _: None
        return impressions.exposure_reader(get, plan.count)
    if plan.is_impression:
        return impressions.properties_reader(Selection(plan.mapping.get("event_properties", {})), plan.count)
    return plan.properties("event_properties", default=None if plan.is_native else {})


def foreign_exposure(plan: StreamPlan) -> Select:
    """Return the properties of an exposure that is no impression: `flag_key` and `variant` must be among them."""
    properties = plan.properties("event_properties", default=None if plan.is_native else {})
    if properties is None:
        raise ConnectorError(f"Stream '{plan.stream}': an exposure needs 'event_properties' flag_key and variant.")
    return lambda record: checked_exposure(properties(record))


def checked_exposure(properties: dict[str, Any]) -> dict[str, Any]:
    """Return the properties of an exposure.

    Raises:
        LeftOut: There was no exposure: no flag, no variant, or `control`.
    """
    if not properties.get("flag_key"):
        raise LeftOut("no flag")
    variant = properties.get("variant")
    if not variant:
        raise LeftOut("no treatment")
    if variant == impressions.CONTROL:
        raise LeftOut("control")
    return properties


def further_members(plan: StreamPlan) -> list[tuple[str, Callable[[Record], Any]]]:
    """Return the event keys beyond type, ids, time and event properties, and how each is read."""
    members: list[tuple[str, Callable[[Record], Any]]] = []
    user_properties = user_properties_reader(plan)
    if user_properties is not None:
        members.append(("user_properties", user_properties))
    if (groups := plan.groups()) is not None:
        members.append(("groups", groups))
    if (group_properties := plan.properties("group_properties")) is not None:
        members.append(("group_properties", group_properties))
    for key, get, convert in plan.others(event_fields.PLAIN_KEYS):
        members.append((key, converted(get, convert)))
    return members


def converted(get: Getter, convert: Callable[[Any], Any]) -> Getter:
    """Return a function that gives a value in the type of its event key; None where there is none."""

    def read(record: Record) -> Any:
        value = get(record)
        return None if value is None else convert(value)

    return read


def user_properties_reader(plan: StreamPlan) -> Select | None:
    """Return a function that gives an event's user properties: plain values, or operations."""
    plain, changes, count = plan.properties("user_properties"), plan.changes(), plan.count
    if plain is None and not changes:
        return None

    def read(record: Record) -> dict[str, Any]:
        values = unreserved(plain(record), count) if plain else {}
        operations = changed(changes, record, count)
        if not operations:
            return values
        if values and not values.keys() <= frozenset(OPERATIONS):
            operations["$set"] = values | operations.get("$set", {})
        return operations

    return read


def changed(changes: list[Change], record: Record, count: Count) -> dict[str, dict[str, Any]]:
    """Return the operations that a record asks for; those without a value are left out."""
    operations: dict[str, Any] = {}
    for operation, name, get in changes:
        value = get(record)
        if operation == "$add" and value is not None:
            value = number(value, count)
        if value is None:
            continue
        if operation == "$clearAll":
            operations[operation] = value
        else:
            operations.setdefault(operation, {})[name] = value
    return clean_properties(operations, count)


def unreserved(properties: dict[str, Any], count: Count) -> dict[str, Any]:
    """Return user properties that Amplitude cannot take for operations, unless all of them are operations."""
    if not any(name.startswith("$") for name in properties):
        return properties
    if all(name in OPERATIONS for name in properties):
        return properties
    count(RESERVED_NAME)
    return {name: value for name, value in properties.items() if not name.startswith("$")}
