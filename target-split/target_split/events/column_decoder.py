"""Reads of a line of a batch file only the columns that are needed, checking their types on the way. Pure.

Most of the work on an exported event is to read and check its 55 columns, of which an event of Split has a third. A
record that this cannot take is not wrong: it goes the usual way, which tells what is wrong, if anything is.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from functools import reduce
from operator import or_
from typing import Any, TypedDict

import msgspec

JSON_TYPES: dict[str, Any] = {
    "string": str,
    "integer": int,
    "number": int | float,
    "boolean": bool,
    "object": dict,
    "array": list,
    "null": None,
}

# What a schema may say of a column, or of the record, that the column's type alone does not keep.
HARMLESS = frozenset({"type", "format", "title", "description", "additionalProperties", "items"})
HARMLESS_OF_RECORD = HARMLESS | {"properties", "required", "$schema"}

Decode = Callable[[bytes], dict[str, Any]]


def lean_decoder(schema: Mapping[str, Any], columns: Collection[str], required: Collection[str]) -> Decode | None:
    """Return what reads some columns of a record and keeps the schema's rules on them.

    Args:
        schema: JSON Schema of the stream.
        columns: Columns to read.
        required: Columns that every record has.

    Returns:
        A function that raises `msgspec.MsgspecError` or `ValueError` on a record that it cannot take; None where the
        schema has rules beyond the types of columns.
    """
    if not is_simple(schema, HARMLESS_OF_RECORD):
        return None
    types: dict[str, Any] = {}
    for column in columns:
        rule = schema["properties"].get(column, {})
        if not is_simple(rule, HARMLESS):
            return None
        types[column] = type_of(rule)
    wanted = frozenset(required) | frozenset(schema.get("required", ()))
    decode = msgspec.json.Decoder(TypedDict("Row", {**dict.fromkeys(wanted, Any), **types}, total=False)).decode  # type: ignore[operator]

    def decode_lean(line: bytes) -> dict[str, Any]:
        record: dict[str, Any] = decode(line)
        if not wanted <= record.keys():
            raise ValueError("a required column is missing")
        return record

    return decode_lean


def is_simple(rule: Mapping[str, Any], harmless: frozenset[str]) -> bool:
    """Whether a rule says no more than types."""
    return rule.keys() <= harmless and rule.get("additionalProperties", True) is True and not rule.get("items")


def type_of(rule: Mapping[str, Any]) -> Any:
    """Return the Python type of a column's rule."""
    names = rule.get("type")
    if names is None:
        return Any
    return reduce(or_, (JSON_TYPES[name] for name in ([names] if isinstance(names, str) else names)))
