"""Identifications - changes of a user's or a group's properties - and how they are made of records. Pure.

Source: https://amplitude.com/docs/apis/analytics/identify and .../group-identify.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import msgspec

from target_amplitude.api import event_fields
from target_amplitude.api.coerce import RESERVED_NAME, Count, clean_properties, clean_text
from target_amplitude.api.limits import GROUP_OPERATIONS, OPERATIONS
from target_amplitude.api.outcomes import Skipped
from target_amplitude.common.errors import ConnectorError
from target_amplitude.common.record_paths import Record
from target_amplitude.payloads import readers
from target_amplitude.payloads.impressions import flag_of, treatment_of
from target_amplitude.payloads.plan import StreamPlan
from target_amplitude.payloads.properties import (
    FieldsReader,
    GroupsReader,
    OperationsReader,
    PropertiesReader,
    unreserved,
)

# Operations of which only the newest value matters, so that several changes can become one.
MERGEABLE = frozenset({"$set", "$unset"})
MAX_USUAL_TEXTS = 10_000


class Identification(msgspec.Struct, gc=False):
    """Changes of the properties of one user (or device) or one group.

    Attributes:
        subject: `{"user_id": …}`, `{"device_id": …}`, both, or `{"group_type": …, "group_value": …}`.
        operations: Operation → property → value.
        time: Epoch milliseconds; None where the stream has no time.
        insert_id: By which Amplitude recognizes a repeated `$identify` event.
        others: Further keys of an identification (`groups`, `platform`, `country`, …).
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


def is_mergeable(operations: Mapping[str, Any]) -> bool:
    """Whether only the newest value of each property matters."""
    return operations.keys() <= MERGEABLE


def partition_key(subject: Mapping[str, Any]) -> str:
    """Return the id by which requests about a user or group are kept in order."""
    return str(subject.get("user_id") or subject.get("device_id") or subject.get("group_value"))


def owner(subject: Mapping[str, Any]) -> str:
    """Return a text that stands for the user, device or group whose properties an event or identification changes."""
    if user := subject.get("user_id"):
        return f"u{user}"
    if device := subject.get("device_id"):
        return f"d{device}"
    return f"g{subject['group_type']}\0{subject['group_value']}"


class IdentificationReader(Protocol):
    """Makes identifications of each record of a stream."""

    def read(self, record: Record) -> list[Identification]:
        """Return the identifications.

        Raises:
            Skipped: The record is left out on purpose.
            Rejected: It can never be delivered.
        """


def identification_reader(plan: StreamPlan) -> IdentificationReader:
    """Return what makes identifications of a stream's records.

    Raises:
        ConnectorError: Nothing says whose properties are to change.
    """
    if plan.is_impression and not plan.mapping.keys() & {"user_properties", "group_properties", "operations"}:
        return FlagIdentifications(plan)
    made: list[IdentificationReader] = []
    if readers.ids(plan) is not None and not is_about_groups_alone(plan):
        made.append(UserIdentifications(plan))
    if "group_properties" in plan.mapping or is_about_groups_alone(plan):
        made.append(GroupIdentifications(plan))
    if not made:
        readers.required_ids(plan)  # raises
    return AllIdentifications(made)


class FlagIdentifications:
    """Sets of an impression the user property `<flag> = <treatment>`."""

    def __init__(self, plan: StreamPlan) -> None:
        self.ids = readers.required_ids(plan)
        self._time = readers.time(plan)
        self.names = PropertyNames(plan.settings.property_prefix, plan.count)
        self.treatments = Treatments(plan.count)
        self._others = other_keys(plan)

    def read(self, record: Record) -> list[Identification]:
        """Return the one identification of an impression."""
        subject = self.ids.read(record)
        treatment = self.treatments.read(record)
        operations = {"$set": {self.names.read(record): treatment}}
        moment = self._time.read(record) if self._time else None
        others = self._others.read(record) if self._others else None
        return [Identification(subject, operations, moment, "", others)]


class Treatments:
    """Reads treatments.

    Attributes:
        usual: Those that needed no change. All equal ones are one object.
    """

    def __init__(self, count: Count) -> None:
        self._count = count
        self.usual: dict[str, str] = {}

    def read(self, impression: Record) -> str:
        """Return an impression's treatment within the limits."""
        given = impression.get("treatment")
        if type(given) is str and (usual := self.usual.get(given)) is not None:
            return usual
        treatment = clean_text(treatment_of(impression), self._count)
        if treatment == given and len(self.usual) < MAX_USUAL_TEXTS:
            self.usual[given] = treatment
        return treatment


class PropertyNames:
    """Reads the names of the user properties of flags.

    Attributes:
        usual: Flag → its name, where that needed no change.
    """

    def __init__(self, prefix: str, count: Count) -> None:
        self._prefix = prefix
        self._count = count
        self.usual: dict[str, str] = {}

    def read(self, impression: Record) -> str:
        """Return the user property of an impression's flag."""
        flag = impression.get("split")
        if type(flag) is str and (usual := self.usual.get(flag)) is not None:
            return usual
        flag = flag_of(impression)
        given = self._prefix + flag
        name = clean_text(given, self._count)
        if name.startswith("$"):
            self._count(RESERVED_NAME)
            return name.lstrip("$")
        if name == given and len(self.usual) < MAX_USUAL_TEXTS:
            self.usual[flag] = name
        return name


def other_keys(plan: StreamPlan) -> OtherKeys | None:
    """Return what reads the keys of an identification besides ids and properties; None where the stream has none."""
    fields = readers.fields(plan, event_fields.IDENTIFICATION_KEYS)
    groups = readers.groups(plan) if "group_properties" not in plan.mapping else None
    return OtherKeys(fields, groups) if fields or groups else None


class OtherKeys:
    """Reads the keys of an identification besides ids and properties."""

    def __init__(self, fields: FieldsReader | None, groups: GroupsReader | None) -> None:
        self._fields = fields
        self._groups = groups

    def read(self, record: Record) -> dict[str, Any] | None:
        """Return the keys that the record has; None when there are none."""
        keys = {} if self._fields is None else self._fields.read(record)
        if self._groups is not None and (groups := self._groups.read(record)):
            keys["groups"] = groups
        return keys or None


class UserIdentifications:
    """Changes the properties of a record's user."""

    def __init__(self, plan: StreamPlan) -> None:
        self.ids = readers.required_ids(plan)
        self._operations = MergedOperations(plan, "user_properties", readers.operations(plan))
        self._time = readers.time(plan)
        self._insert_id = readers.insert_id(plan)
        self._others = other_keys(plan)

    def read(self, record: Record) -> list[Identification]:
        """Return the user's identification; none when nothing is to change."""
        subject = self.ids.read(record)
        operations = self._operations.read(record)
        others = self._others.read(record) if self._others else None
        if not operations and not others:
            return []
        moment = self._time.read(record) if self._time else None
        # Those that are merged get an id of their own.
        own = "" if is_mergeable(operations) else self._insert_id.read(record, subject)
        return [Identification(subject, operations, moment, own, others)]


class GroupIdentifications:
    """Changes the properties of each group of a record.

    Raises:
        ConnectorError: The mapping names no groups, or an operation that groups do not have.
    """

    def __init__(self, plan: StreamPlan) -> None:
        groups = readers.groups(plan)
        if groups is None:
            raise ConnectorError(f"Stream '{plan.stream}': 'group_properties' needs 'groups' to name the group.")
        self._groups = groups
        self._is_alone = is_about_groups_alone(plan)
        operations = readers.operations(plan) if self._is_alone else OperationsReader((), plan.count)
        for change in operations.changes:
            if change.operation not in GROUP_OPERATIONS:
                raise ConnectorError(
                    f"Stream '{plan.stream}', mapping 'operations': Amplitude does not support {change.operation} for "
                    "groups."
                )
        self._operations = MergedOperations(plan, "group_properties", operations)
        self._time = readers.time(plan)

    def read(self, record: Record) -> list[Identification]:
        """Return one identification for each group."""
        operations = self._operations.read(record)
        groups = self._groups.read(record)
        if not groups and self._is_alone:
            raise Skipped("no group")
        moment = self._time.read(record) if self._time else None
        return [
            Identification({"group_type": kind, "group_value": value}, operations, moment)
            for kind, values in groups.items()
            for value in (values if isinstance(values, list) else [values])
            if operations
        ]


class AllIdentifications:
    """The identifications of a record's user and of its groups."""

    def __init__(self, readers: list[IdentificationReader]) -> None:
        self._readers = readers

    def read(self, record: Record) -> list[Identification]:
        """Return what all readers make of a record."""
        made = [one for reader in self._readers for one in reader.read(record)]
        if not made:
            raise Skipped("nothing to set")
        return made


class MergedOperations:
    """Reads the operations of a record: its selected properties are set, the rest is as mapped."""

    def __init__(self, plan: StreamPlan, member: str, operations: OperationsReader) -> None:
        default: dict[str, Any] | None = None if plan.is_native or operations.changes else {}
        self._plain: PropertiesReader | None = readers.properties(plan, member, default=default)
        self._operations = operations
        self._count = plan.count

    def read(self, record: Record) -> dict[str, Any]:
        """Return operation → property → value."""
        operations = as_operations(unreserved(self._plain.read(record), self._count)) if self._plain else {}
        for operation, values in self._operations.read(record).items():
            operations[operation] = operations.get(operation, {}) | values if isinstance(values, dict) else values
        return clean_properties(operations, self._count)


def is_about_groups_alone(plan: StreamPlan) -> bool:
    """Whether a mapping changes the properties of groups and of no user."""
    names_user = plan.mapping.keys() & {"user_properties", "user_id", "device_id"}
    return not names_user and (
        "group_properties" in plan.mapping or (readers.ids(plan) is None and "groups" in plan.mapping)
    )


def as_operations(values: dict[str, Any]) -> dict[str, Any]:
    """Return properties as operations: plain values are set."""
    return {"$set": values} if values and not values.keys() <= frozenset(OPERATIONS) else dict(values)
