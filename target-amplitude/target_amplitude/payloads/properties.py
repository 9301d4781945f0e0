"""Readers of a record's properties, groups, operations and other event keys. Pure.

Each reads one part of a payload, within Amplitude's limits. `count` is called with the reason of each change.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
from target_amplitude.api.limits import LARGEST_INTEGER, OPERATIONS, SMALLEST_INTEGER, visible
from target_amplitude.api.outcomes import Rejected
from target_amplitude.common.record_paths import Getter, Record, is_empty, object_in
from target_amplitude.mapping.properties import Selection

TEXTS = frozenset(event_fields.TEXTS)
WHOLE_NUMBERS = frozenset(event_fields.WHOLE_NUMBERS)
MAX_USUAL_TEXTS = 10_000


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
        if not properties:
            return {}
        if self._selection is not None:
            properties = self._selection(properties)
        return properties if is_plain(properties) else clean_properties(properties, self._count)

    def _object(self, record: Record) -> Any:
        if self._column is None:
            return record
        value = record.get(self._column)
        if isinstance(value, dict):
            return value
        properties = object_in(value)
        if properties is None and not is_empty(value):
            self._count(WRONG_TYPE)
        return properties or {}


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
            groups = record.get(self._column)
            return {} if groups is None or groups == {} else group_values(groups, self._count)
        return group_values({name: get(record) for name, get in self._sources.items()}, self._count)


class FieldsReader:
    """Reads further event keys, each in the type that Amplitude documents for it.

    Args:
        columns: Event key → the column that holds it.
        getters: Event key → what reads it, where that is not just a column.
        count: Called with the reason of each change.
    """

    def __init__(self, columns: Mapping[str, str], getters: Mapping[str, Getter], count: Count) -> None:
        self._texts = [(key, column) for key, column in columns.items() if key in TEXTS]
        self._columns = [(key, column) for key, column in columns.items() if key not in TEXTS]
        self._getters = list(getters.items())
        self._usual: set[str] = set()  # texts that needed no conversion
        self._count = count

    def read(self, record: Record) -> dict[str, Any]:
        """Return the keys for which the record has a value that they can hold.

        Raises:
            Rejected: An amount of money cannot be read.
        """
        get, usual = record.get, self._usual
        values = {key: value for key, column in self._texts if (value := get(column)) is not None}
        try:
            is_usual = usual.issuperset(values.values())
            unusual = [] if is_usual else [key for key, value in values.items() if value not in usual]
        except TypeError:  # an object or a list
            unusual = list(values)
        for key in unusual:
            self._convert(key, values.pop(key), values)
        for key, column in self._columns:
            if (value := get(column)) is not None:
                self._convert(key, value, values)
        for key, read in self._getters:
            if (value := read(record)) is not None:
                self._convert(key, value, values)
        return values

    def _convert(self, key: str, value: Any, values: dict[str, Any]) -> None:
        """Put a value under its key, converted; leave it out where the key cannot hold it."""
        if type(value) is int and key in WHOLE_NUMBERS and SMALLEST_INTEGER <= value <= LARGEST_INTEGER:
            values[key] = value
            return
        if (converted := event_fields.CONVERTERS[key](value, self._count)) not in (None, {}):
            values[key] = converted
            if converted is value and key in TEXTS:
                if len(self._usual) >= MAX_USUAL_TEXTS:
                    self._usual.clear()
                self._usual.add(converted)
        elif key in event_fields.MONEY and not (isinstance(value, str) and not visible(value)):
            raise Rejected(f"'{key}' is not a number")


def unreserved(properties: dict[str, Any], count: Count) -> dict[str, Any]:
    """Return user properties without names that begin with `$`, unless all of them are operations."""
    for name in properties:
        if name[:1] == "$":
            break
    else:
        return properties
    if all(name in OPERATIONS for name in properties):
        return properties
    count(RESERVED_NAME)
    return {name: value for name, value in properties.items() if not name.startswith("$")}
