"""Readers of a record's properties, groups, operations and other event keys. Pure.

Each reads one part of a payload, within Amplitude's limits. `count` is called with the reason of each change.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from target_amplitude.api import event_fields
from target_amplitude.api.coerce import (
    RESERVED_NAME,
    WRONG_TYPE,
    Count,
    clean_properties,
    group_values,
    is_plain,
    number,
)
from target_amplitude.api.limits import OPERATIONS, visible
from target_amplitude.api.outcomes import Rejected
from target_amplitude.common.record_paths import Getter, Record
from target_amplitude.mapping.properties import Selection

Select = Callable[[Record], dict[str, Any]]


class PropertiesReader:
    """Selects properties from the record, or from one of its object columns.

    Args:
        selection: Which ones; None takes all of the column's.
        column: The object column; None selects among the record's own columns.
        count: Called with the reason of each change.
    """

    def __init__(self, selection: Selection | None, column: str | None, count: Count) -> None:
        self._selection = selection
        self._column = column
        self._count = count

    def read(self, record: Record) -> dict[str, Any]:
        """Return the selected properties within the limits."""
        properties = self._object(record)
        if self._selection is not None:
            properties = self._selection(properties)
        return properties if is_plain(properties) else clean_properties(properties, self._count)

    def _object(self, record: Record) -> Any:
        if self._column is None:
            return record
        value = record.get(self._column)
        if isinstance(value, dict):
            return value
        if value is not None:
            self._count(WRONG_TYPE)
        return {}


class Change(NamedTuple):
    """One operation of a mapping on one property."""

    operation: str
    property: str
    get: Getter


class OperationsReader:
    """Reads the operations on user or group properties that a mapping asks for."""

    def __init__(self, changes: Sequence[Change], count: Count) -> None:
        self.changes = changes
        self._count = count

    def read(self, record: Record) -> dict[str, Any]:
        """Return operation → property → value; operations without a value are left out."""
        operations: dict[str, Any] = {}
        for operation, name, get in self.changes:
            value = get(record)
            if operation == "$add" and value is not None:
                value = number(value, self._count)
            if value is None:
                continue
            if operation == "$clearAll":
                operations[operation] = value
            else:
                operations.setdefault(operation, {})[name] = value
        return clean_properties(operations, self._count)


class UserPropertiesReader:
    """Reads the user properties of an event: plain values, or operations when the mapping has any."""

    def __init__(self, plain: PropertiesReader | None, operations: OperationsReader, count: Count) -> None:
        self._plain = plain
        self._operations = operations
        self._count = count

    def read(self, record: Record) -> dict[str, Any]:
        """Return the member `user_properties`."""
        values = unreserved(self._plain.read(record), self._count) if self._plain else {}
        if not self._operations.changes:
            return values
        operations = self._operations.read(record)
        if not operations:
            return values
        if values and not values.keys() <= frozenset(OPERATIONS):
            operations["$set"] = values | operations.get("$set", {})
        return operations


class GroupsReader:
    """Reads groups: from one object column, or by group type from a source each."""

    def __init__(self, sources: dict[str, Getter] | None, column: str, count: Count) -> None:
        self._sources = sources
        self._column = column
        self._count = count

    def read(self, record: Record) -> dict[str, Any]:
        """Return group type → value or values."""
        if self._sources is None:
            return group_values(record.get(self._column), self._count)
        return group_values({name: get(record) for name, get in self._sources.items()}, self._count)


class FieldReader:
    """Reads one more event key in the type that Amplitude documents for it."""

    def __init__(self, key: str, get: Getter, count: Count) -> None:
        self.key = key
        self._get = get
        self._count = count
        self._convert = event_fields.CONVERTERS[key]

    def read(self, record: Record) -> Any:
        """Return the value; None where the record has none, or none that the key can hold.

        Raises:
            Rejected: An amount of money cannot be read.
        """
        value = self._get(record)
        if value is None:
            return None
        converted = self._convert(value, self._count)
        if converted is None and self.key in event_fields.MONEY and not (isinstance(value, str) and not visible(value)):
            raise Rejected(f"'{self.key}' is not a number")
        return converted


def unreserved(properties: dict[str, Any], count: Count) -> dict[str, Any]:
    """Return user properties without names that begin with `$`, unless all of them are operations."""
    if not any(name.startswith("$") for name in properties):
        return properties
    if all(name in OPERATIONS for name in properties):
        return properties
    count(RESERVED_NAME)
    return {name: value for name, value in properties.items() if not name.startswith("$")}
