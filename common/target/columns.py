"""Decodes of a record only the columns that are needed, and keeps the schema's rules on them. Pure.

Most of the work on an exported event is to decode and validate its 55 columns, of which a target needs a third.
A record that this refuses is not wrong: it is decoded as a whole then, and validated as usual.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import reduce
from operator import or_
from typing import Any, Literal, NotRequired, Required, TypedDict

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

Columns = Mapping[str, Any]


def column_types(schema: Mapping[str, Any], columns: Collection[str], keys: Collection[str]) -> Columns | None:
    """Return the type of each column to decode: as `typing` has it, `Required` where every record must have it.

    Args:
        schema: JSON Schema of the stream.
        columns: Columns to read.
        keys: Key properties, which every record must have.

    Returns:
        None where the schema has rules beyond the types of columns.
    """
    if not is_simple(schema, HARMLESS_OF_RECORD):
        return None
    required = frozenset(keys) | frozenset(schema.get("required", ()))
    types: dict[str, Any] = {}
    for column in required | frozenset(columns):
        rule = schema["properties"].get(column, {})
        if not is_simple(rule, HARMLESS):
            return None
        types[column] = (Required if column in required else NotRequired)[type_of(rule)]
    return types


def record_decoder(columns: Columns) -> msgspec.json.Decoder[dict[str, Any]]:
    """Return the decoder of a record."""
    return msgspec.json.Decoder(row_type(columns))


def message_decoder(stream: str, columns: Columns) -> msgspec.json.Decoder[Any]:
    """Return the decoder of RECORD messages of a stream: structs with `record`."""
    fields: list[Any] = [("type", Literal["RECORD"]), ("stream", Literal[stream]), ("record", row_type(columns))]
    return msgspec.json.Decoder(msgspec.defstruct("RecordMessage", fields, gc=False))


def row_type(columns: Columns) -> Any:
    """Return the type of a record with these columns."""
    return TypedDict("Row", columns)  # type: ignore[operator]  # made while running


def is_simple(rule: Mapping[str, Any], harmless: frozenset[str]) -> bool:
    """Whether a rule says no more than types."""
    said = {name for name, value in rule.items() if name != "properties" or value}
    return said <= harmless and rule.get("additionalProperties", True) is True and not rule.get("items")


def type_of(rule: Mapping[str, Any]) -> Any:
    """Return the Python type of a column's rule."""
    names = rule.get("type")
    if names is None:
        return Any
    return reduce(or_, (JSON_TYPES[name] for name in ([names] if isinstance(names, str) else names)))
