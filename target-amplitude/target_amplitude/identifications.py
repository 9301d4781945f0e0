"""Makes identifications of records: changes of user or group properties. Pure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from . import event_keys, impressions
from .command import ConnectorError
from .events import changed, unreserved
from .identification import Identification
from .impressions import LeftOut
from .limits import OPERATIONS, RESERVED_NAME, Count, clean_text
from .paths import Record
from .planner import Planner

IdentificationMaker = Callable[[Record], list[Identification]]


def identification_maker(plan: Planner) -> IdentificationMaker:
    """Return a function that makes identifications of a record.

    It raises:
        LeftOut: The record is not meant to be sent.
        Unusable: It can never be delivered.
    """
    if plan.is_impression:
        return impression_maker(plan)
    user = user_maker(plan)
    group = group_maker(plan)
    if user is None and group is None:
        plan.needed_ids()  # raises
    makers = [maker for maker in (user, group) if maker is not None]

    def make(record: Record) -> list[Identification]:
        made = [one for maker in makers for one in maker(record)]
        if not made:
            raise LeftOut("nothing to set")
        return made

    return make


def impression_maker(plan: Planner) -> IdentificationMaker:
    """Return a function that makes of an impression the user property `<flag> = <treatment>`."""
    ids, time, insert_id = plan.needed_ids(), plan.time(), plan.insert_id()
    name_of = property_names(plan.loading.property_prefix, plan.count)
    count = plan.count

    def make(impression: Record) -> list[Identification]:
        subject = ids(impression)
        treatment = clean_text(impressions.treatment_of(impression), count)
        operations = {"$set": {name_of(impressions.flag_of(impression)): treatment}}
        moment = time(impression) if time else None
        return [Identification(subject, operations, moment, insert_id(impression, subject))]

    return make


def property_names(prefix: str, count: Count) -> Callable[[str], str]:
    """Return a function that gives the user property of a flag."""
    known: dict[str, str] = {}

    def name_of(flag: str) -> str:
        if (name := known.get(flag)) is not None:
            return name
        if len(known) > impressions.MAX_EXPOSED_FLAGS:
            known.clear()
        name = clean_text(prefix + flag, count)
        if name.startswith("$"):
            count(RESERVED_NAME)
            name = name.lstrip("$")
        known[flag] = name
        return name

    return name_of


def user_maker(plan: Planner) -> IdentificationMaker | None:
    """Return a function that makes a user's identification; None where a mapping is about groups alone."""
    ids = plan.ids()
    if ids is None or about_groups_alone(plan):
        return None
    changes, time, insert_id = plan.changes(), plan.time(), plan.insert_id()
    plain = plan.properties("user_properties", default=None if plan.is_native or changes else {})
    groups = plan.groups() if "group_properties" not in plan.mapping else None
    others = plan.others(event_keys.IDENTIFICATION_KEYS)
    count = plan.count

    def make(record: Record) -> list[Identification]:
        subject = ids(record)
        operations = as_operations(unreserved(plain(record), count) if plain else {})
        for operation, values in changed(changes, record, count).items():
            operations[operation] = operations.get(operation, {}) | values if isinstance(values, dict) else values
        extra: dict[str, Any] = {
            key: converted
            for key, get, convert in others
            if (value := get(record)) is not None and (converted := convert(value)) is not None
        }
        if groups is not None and (of_user := groups(record)):
            extra["groups"] = of_user
        if not operations and not extra:
            return []
        moment = time(record) if time else None
        return [Identification(subject, operations, moment, insert_id(record, subject), extra)]

    return make


def as_operations(values: dict[str, Any]) -> dict[str, Any]:
    """Return user properties as operations: plain values are set."""
    if not values or values.keys() <= frozenset(OPERATIONS):
        return dict(values)
    return {"$set": values}


def about_groups_alone(plan: Planner) -> bool:
    """Whether a mapping changes group properties and none of a user."""
    is_mapped = "user_properties" in plan.mapping or "user_id" in plan.mapping or "device_id" in plan.mapping
    return "group_properties" in plan.mapping and not is_mapped


def group_maker(plan: Planner) -> IdentificationMaker | None:
    """Return a function that makes one identification for each group of a record; None where none is mapped."""
    alone = about_groups_alone(plan) or (plan.ids() is None and "groups" in plan.mapping)
    if "group_properties" not in plan.mapping and not alone:
        return None
    groups = plan.groups()
    if groups is None:
        raise ConnectorError(f"Stream '{plan.stream}': 'group_properties' needs 'groups': the type and whose they are.")
    changes = plan.changes() if alone else []
    plain = plan.properties("group_properties", default=None if changes else {})
    time, insert_id, count = plan.time(), plan.insert_id(), plan.count

    def make(record: Record) -> list[Identification]:
        operations = as_operations(unreserved(plain(record), count) if plain else {})
        for operation, values in changed(changes, record, count).items():
            operations[operation] = operations.get(operation, {}) | values if isinstance(values, dict) else values
        if not operations:
            return []
        moment = time(record) if time else None
        found = groups(record)
        if not found:
            raise LeftOut("no group")
        return [
            Identification({"group_type": kind, "group_value": value}, operations, moment, insert_id(record, {}))
            for kind, values in found.items()
            for value in (values if isinstance(values, list) else [values])
        ]

    return make
