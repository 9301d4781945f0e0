"""Values of rows to values of their fields' kinds: what can be read is kept, everything else becomes null. Pure."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from tap_amplitude.records.schemas import Fields, Kind
from tap_amplitude.records.times import rfc3339_of_epoch, rfc3339_of_text

# What cleaning a value of another kind raises.
WRONG_KIND = (ValueError, TypeError, OverflowError)


class Cleaner:
    """Cleans rows of one table of fields."""

    def __init__(self, fields: Fields) -> None:
        self._empty = dict.fromkeys(fields)
        self._cleaners = [(name, CLEANERS[kind]) for name, kind in fields.items()]

    def clean(self, row: Mapping[str, Any]) -> tuple[dict[str, Any], int]:
        """Return a record with every known field of its kind or null, unknown fields as they are.

        Returns:
            The record, and how many values became null because they were not of their kind.
        """
        record = self._empty | dict(row)
        nulled = 0
        for name, cleaner in self._cleaners:
            value = record[name]
            if value is not None:
                try:
                    record[name] = cleaner(value)
                except WRONG_KIND:
                    record[name] = None
                    nulled += 1
        return record, nulled


def only(*types: type) -> Callable[[Any], Any]:
    """Return a cleaner that passes values of exactly these types (a bool is not an int here)."""

    def cleaner(value: Any) -> Any:
        if type(value) not in types:
            raise TypeError(value)
        return value

    return cleaner


def as_text(value: Any) -> str:
    """Return a text; a number or boolean as JSON writes it."""
    if isinstance(value, str):
        return value
    if type(value) is int:
        return str(value)
    return msgspec.json.encode(only(int, float, bool)(value)).decode()


def as_integer(value: Any) -> int:
    """Return a whole number; also from `12.0` and `"12"`."""
    if type(value) not in (str, int) and not (type(value) is float and value.is_integer()):
        raise TypeError(value)
    return int(value)


def as_number(value: Any) -> float:
    """Return a number; also from `"12.5"`."""
    number = float(value if isinstance(value, str) else only(int, float)(value))
    if not math.isfinite(number):
        raise ValueError(value)
    return number


def as_boolean(value: Any) -> bool:
    """Return a boolean; also from `"true"` and `"false"`."""
    return {"true": True, "false": False}[value.lower()] if value in BOOLEAN_TEXTS else bool(only(bool)(value))


def as_time(value: Any) -> str:
    """Return RFC 3339, from a text or an epoch number."""
    return rfc3339_of_text(value) if isinstance(value, str) else rfc3339_of_epoch(only(int, float)(value))


BOOLEAN_TEXTS = ("true", "false", "True", "False")
CLEANERS: Mapping[Kind, Callable[[Any], Any]] = {
    Kind.TEXT: as_text,
    Kind.INTEGER: as_integer,
    Kind.NUMBER: as_number,
    Kind.BOOLEAN: as_boolean,
    Kind.OBJECT: only(dict),
    Kind.LIST: only(list),
    Kind.TIME: as_time,
    Kind.DATE: only(str),
    Kind.TEXT_OR_BOOLEAN: only(str, bool),
    Kind.TEXT_OR_INTEGER: only(str, int),
    Kind.TEXT_OR_LIST: only(str, list),
}
