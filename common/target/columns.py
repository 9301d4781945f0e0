"""Decodes of records only the columns that are needed, and keeps the schema's rules on them. Pure.

Most of the work on an exported event is to decode and validate its 55 columns, of which a target needs a third. Where
possible, whole blocks of lines are decoded at once. A line or block is refused if it holds anything but records of the
stream that keep its schema in these columns. What is refused is not wrong: it is decoded as a whole then, and validated
as usual.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from functools import reduce
from operator import or_
from typing import Any, Literal, NotRequired, Required, TypedDict

import msgspec

from ..lenient_json import repaired
from .decoding import UNREADABLE, line_feeds

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

REFUSED = (*UNREADABLE, ValueError)

# After a block that was refused, so many blocks at most are read line by line before another is tried.
MOST_BLOCKS_BY_LINE = 16

Columns = Mapping[str, Any]
Row = dict[str, Any]


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


class RowDecoder:
    """Decodes lines of a type: that of records (`row_type`), if no subclass says otherwise."""

    def __init__(self, line_type: Any) -> None:
        decoder = msgspec.json.Decoder(line_type)
        self._decode = decoder.decode
        self._decode_lines = decoder.decode_lines
        self._blocks_by_line = self._pause = 0

    def line(self, line: bytes) -> Row | None:
        """Return the record of a line; None when the line is refused."""
        read: Row | None = decoded(self._decode, line)
        return read

    def block(self, block: bytes) -> list[Row] | None:
        """Return the record of each line; None when the block is to be read line by line."""
        if self._blocks_by_line:
            self._blocks_by_line -= 1
            return None
        read: list[Row] | None = decoded(self._decode_lines, block)
        if read is None or len(read) != line_feeds(block) + (not block.endswith(b"\n")):
            # Refused, or blank lines: the position of a record would not be its line's.
            self._pause = self._blocks_by_line = min(2 * self._pause + 1, MOST_BLOCKS_BY_LINE)
            return None
        self._pause = 0
        return read


class MessageDecoder(RowDecoder):
    """Decodes lines that are RECORD messages of a stream, with these columns."""

    def __init__(self, stream: str, columns: Columns) -> None:
        fields: list[Any] = [("type", Literal["RECORD"]), ("stream", Literal[stream]), ("record", row_type(columns))]
        super().__init__(msgspec.defstruct("RecordMessage", fields, gc=False))

    def line(self, line: bytes) -> Row | None:
        """Return the record of a line; None when the line is refused."""
        message: Any = super().line(line)
        return None if message is None else message.record

    def block(self, block: bytes) -> list[Row] | None:
        """Return the record of each line; None when the block is to be read line by line."""
        messages: list[Any] | None = super().block(block)
        return None if messages is None else [message.record for message in messages]


def row_type(columns: Columns) -> Any:
    """Return the type of a record with these columns."""
    return TypedDict("Row", columns)  # type: ignore[operator]  # made while running


def decoded(decode: Callable[[bytes], Any], text: bytes) -> Any:
    """Return what a text decodes to, if need be without NaN and halves of surrogate pairs; None where it does not."""
    try:
        return decode(text)
    except REFUSED:
        fixed = repaired(text)
    if fixed is text:
        return None
    try:
        return decode(fixed)
    except REFUSED:
        return None
