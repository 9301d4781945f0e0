"""Identifications - changes of a user's or a group's properties - and how they are made of records. Pure.

Source: https://amplitude.com/docs/apis/analytics/identify and .../group-identify.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from target_amplitude.api import event_fields
from target_amplitude.api.limits import GROUP_OPERATIONS, OPERATIONS, RESERVED_NAME, Count, clean_properties, clean_text
from target_amplitude.common.errors import ConnectorError
from target_amplitude.common.record_paths import Record
from target_amplitude.payloads.event import changed, converted, unreserved
from target_amplitude.payloads.impressions import LeftOut, flag_of, treatment_of
from target_amplitude.payloads.plan import Change, StreamPlan

# Operations of which the newest value wins, so that a later one replaces an earlier one that was not sent yet.
REPLACING = frozenset({"$set", "$unset"})


@dataclass(slots=True)
class Identification:
    """Changes of the properties of one user (or device) or one group.

    Attributes:
        subject: `{"user_id": …}`, `{"device_id": …}`, both, or `{"group_type": …, "group_value": …}`.
        operations: Operation → property → value.
        time: Epoch milliseconds; None where the stream has no time.
        insert_id: By which Amplitude recognises a repeated `$identify` event.
        others: Further keys of an identification (`groups`, `platform`, …).
    """

    subject: dict[str, str]
    operations: dict[str, dict[str, Any]]
    time: int | None
    insert_id: str = ""
    others: dict[str, Any] | None = None

    @property
    def is_group(self) -> bool:
        """Whether it is about a group."""
        return "group_type" in self.subject


def replaces(operations: Mapping[str, Any], others: Mapping[str, Any] | None) -> bool:
    """Whether nothing but the newest value of each property matters, so that several changes can become one."""
    return not others and operations.keys() <= REPLACING


def lane_key(subject: Mapping[str, Any]) -> str:
    """Return the id by which requests about a user or group are kept in order."""
    return str(subject.get("user_id") or subject.get("device_id") or subject.get("group_value"))


def owner(subject: Mapping[str, Any]) -> str:
    """Return a text that stands for the user, device or group whose properties an event or identification changes."""
    if user := subject.get("user_id"):
        return f"u{user}"
    if device := subject.get("device_id"):
        return f"d{device}"
    return f"g{subject['group_type']}\0{subject['group_value']}"


IdentificationMaker = Callable[[Record], list[Identification]]


def identification_maker(plan: StreamPlan) -> IdentificationMaker:
    """Return a function that makes identifications of a record.

    It raises:
        LeftOut: The record is not meant to be sent.
        Unusable: It can never be delivered.
    """
    if plan.is_impression and not plan.mapping.keys() & {"user_properties", "group_properties", "operations"}:
        return impression_maker(plan)
    makers = [maker for maker in (user_maker(plan), group_maker(plan)) if maker is not None]
    if not makers:
        plan.needed_ids()  # raises

    def make(record: Record) -> list[Identification]:
        made = [one for maker in makers for one in maker(record)]
        if not made:
            raise LeftOut("nothing to set")
        return made

    return make


def impression_maker(plan: StreamPlan) -> IdentificationMaker:
    """Return a function that makes of an impression the user property `<flag> = <treatment>`."""
    ids, time = plan.needed_ids(), plan.time()
    name_of = property_names(plan.loading.property_prefix, plan.count)
    count = plan.count

    def make(impression: Record) -> list[Identification]:
        subject = ids(impression)
        treatment = clean_text(treatment_of(impression), count)
        operations = {"$set": {name_of(flag_of(impression)): treatment}}
        moment = time(impression) if time else None
        return [Identification(subject, operations, moment)]

    return make


def property_names(prefix: str, count: Count) -> Callable[[str], str]:
    """Return a function that gives the user property of a flag."""

    def name_of(flag: str) -> str:
        name = clean_text(prefix + flag, count)
        if name.startswith("$"):
            count(RESERVED_NAME)
        return name.lstrip("$")

    return name_of


def user_maker(plan: StreamPlan) -> IdentificationMaker | None:
    """Return a function that makes a user's identification; None where a mapping is about groups alone."""
    ids = plan.ids()
    if ids is None or is_about_groups_alone(plan):
        return None
    operations_of = operations_reader(plan, "user_properties", plan.changes())
    time, insert_id = plan.time(), plan.insert_id()
    groups = plan.groups() if "group_properties" not in plan.mapping else None
    others = [(key, converted(get, convert)) for key, get, convert in plan.others(event_fields.IDENTIFICATION_KEYS)]

    def make(record: Record) -> list[Identification]:
        subject = ids(record)
        operations = operations_of(record)
        further = {key: value for key, read in others if (value := read(record)) is not None}
        if groups is not None and (of_user := groups(record)):
            further["groups"] = of_user
        if not operations and not further:
            return []
        moment = time(record) if time else None
        # Those that are merged get an id of their own.
        own = "" if replaces(operations, further) else insert_id(record, subject)
        return [Identification(subject, operations, moment, own, further)]

    return make


def group_maker(plan: StreamPlan) -> IdentificationMaker | None:
    """Return a function that makes one identification for each group of a record; None where none is mapped."""
    is_alone = is_about_groups_alone(plan)
    if "group_properties" not in plan.mapping and not is_alone:
        return None
    groups = plan.groups()
    if groups is None:
        raise ConnectorError(f"Stream '{plan.stream}': 'group_properties' needs 'groups': the type and whose they are.")
    changes = plan.changes() if is_alone else []
    for operation, _, _ in changes:
        if operation not in GROUP_OPERATIONS:
            raise ConnectorError(
                f"Stream '{plan.stream}', mapping 'operations': Amplitude knows no {operation} for groups."
            )
    operations_of = operations_reader(plan, "group_properties", changes)
    time = plan.time()

    def make(record: Record) -> list[Identification]:
        operations = operations_of(record)
        found = groups(record)
        if not found and is_alone:
            raise LeftOut("no group")
        moment = time(record) if time else None
        return [
            Identification({"group_type": kind, "group_value": value}, operations, moment)
            for kind, values in found.items()
            for value in (values if isinstance(values, list) else [values])
            if operations
        ]

    return make


def is_about_groups_alone(plan: StreamPlan) -> bool:
    """Whether a mapping changes the properties of groups and of no user."""
    names_user = plan.mapping.keys() & {"user_properties", "user_id", "device_id"}
    return not names_user and ("group_properties" in plan.mapping or (plan.ids() is None and "groups" in plan.mapping))


def operations_reader(plan: StreamPlan, member: str, changes: list[Change]) -> Callable[[Record], dict[str, Any]]:
    """Return a function that gives the operations of a record: its properties are set, the rest is as mapped."""
    plain = plan.properties(member, default=None if plan.is_native or changes else {})
    count = plan.count

    def read(record: Record) -> dict[str, Any]:
        operations = as_operations(unreserved(plain(record), count)) if plain else {}
        for operation, values in changed(changes, record, count).items():
            operations[operation] = operations.get(operation, {}) | values if isinstance(values, dict) else values
        return clean_properties(operations, count)

    return read


def as_operations(values: dict[str, Any]) -> dict[str, Any]:
    """Return properties as operations: plain values are set."""
    return {"$set": values} if values and not values.keys() <= frozenset(OPERATIONS) else dict(values)
