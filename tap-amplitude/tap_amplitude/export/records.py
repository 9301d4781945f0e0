"""Exported lines to records: one decode per row, every field of its type, times as RFC 3339.

Rows of the usual shape are decoded, checked and later encoded by msgspec alone, without a dictionary per row. A row
that differs (an unknown member, a value of another type, half a surrogate pair) takes the slow way: it is decoded
freely and cleaned value by value.
"""

from __future__ import annotations

import json
import math
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, repeat
from operator import attrgetter
from typing import Any

import msgspec

from tap_amplitude.export.times import rfc3339_of_epoch, rfc3339_of_text, rfc3339_of_texts
from tap_amplitude.streams.schemas import EXPORTED, Fields, Kind

PYTHON_TYPES: Mapping[Kind, Any] = {
    Kind.TEXT: str | None,
    Kind.INTEGER: int | None,
    Kind.NUMBER: int | float | None,
    Kind.BOOLEAN: bool | None,
    Kind.OBJECT: dict[str, Any] | None,
    Kind.TIME: str | None,
    Kind.TEXT_OR_BOOLEAN: str | bool | None,
    Kind.TEXT_OR_INTEGER: str | int | None,
    Kind.TEXT_OR_LIST: str | list[Any] | None,
}
TIME_FIELDS = tuple(name for name, kind in EXPORTED.items() if kind is Kind.TIME)
times_of = attrgetter(*TIME_FIELDS)
# What decoding a line can raise; RecursionError comes of a thousand nested brackets.
BROKEN_LINE = (msgspec.MsgspecError, ValueError, RecursionError)

# A row as decoded and encoded by msgspec. An unknown member is an error here, and sends the row the slow way.
Event = msgspec.defstruct(
    "Event",
    [
        ("uuid", str),
        *((name.lstrip("$"), PYTHON_TYPES[kind], None) for name, kind in EXPORTED.items() if name != "uuid"),
        ("export_hour", str, ""),
    ],
    rename={name.lstrip("$"): name for name in EXPORTED if name.startswith("$")},
    forbid_unknown_fields=True,
    gc=False,
)
Row = Any
"""An `Event`, or a dictionary when the row took the slow way; both are encoded alike."""
DECODER = msgspec.json.Decoder(Event)


@dataclass
class Rows:
    """What came of a block of lines.

    Attributes:
        good: The records, in the order of their lines.
        nulled: Values that were not of their field's type and became null.
        unreadable: Lines that are no JSON object or have no `uuid`, which is every event's key.
    """

    good: list[Row] = field(default_factory=list)
    nulled: int = 0
    unreadable: list[bytes] = field(default_factory=list)


def read_block(block: bytes, export_hour: str) -> Rows:
    """Return the records of a block of whole lines.

    Args:
        block: Lines of JSON, as exported.
        export_hour: The hour they were exported for, as its record field.
    """
    try:
        rows = Rows(DECODER.decode_lines(block))
    except BROKEN_LINE:
        rows = read_lines(block.split(b"\n"))
    events = []
    for row in rows.good:
        if type(row) is dict:
            row["export_hour"] = export_hour
        else:
            row.export_hour = export_hour
            events.append(row)
    rows.nulled += write_times(events)
    return rows


def write_times(events: Sequence[Any]) -> int:
    """Write the times of rows as RFC 3339; return how many were no times and became null.

    All together, for their conversion one by one takes as long as all else that is done to a row.
    """
    texts: list[str | None] = [*chain.from_iterable(map(times_of, events))]
    known = [text for text in texts if text is not None]
    converted = iter(rfc3339_of_texts(known))
    times = [None if text is None else next(converted) for text in texts]
    for position, name in enumerate(TIME_FIELDS):
        # A loop without Python in it.
        deque(map(setattr, events, repeat(name), times[position :: len(TIME_FIELDS)]), maxlen=0)
    return times.count(None) - texts.count(None)


def read_lines(lines: Sequence[bytes]) -> Rows:
    """Return the records of single lines, one of which at least is not as usual."""
    rows = Rows()
    for line in lines:
        if not line.strip():
            continue
        try:
            rows.good.append(DECODER.decode(line))
        except BROKEN_LINE:
            read_odd_line(line, rows)
    return rows


def read_odd_line(line: bytes, rows: Rows) -> None:
    """Decode a row freely and clean it, or count its line as unreadable."""
    try:
        row = decode_anything(line)
    except BROKEN_LINE:
        row = None
    if not isinstance(row, dict) or not isinstance(row.get("uuid"), str):
        rows.unreadable.append(line)
        return
    record, nulled = clean(row, EXPORTED)
    rows.good.append(record)
    rows.nulled += nulled


def decode_anything(line: bytes) -> Any:
    """Decode JSON with the flaws that real exports may have.

    Half a surrogate pair (a text cut in the middle of an emoji) and broken UTF-8 become U+FFFD; NaN, Infinity and
    numbers beyond a double become null, for no Singer target could read them.
    """
    try:
        return msgspec.json.decode(line)
    except BROKEN_LINE:
        text = line.decode(errors="replace")
        value = json.loads(text, parse_constant=lambda _: None, parse_float=finite)
        mended = json.dumps(value, ensure_ascii=False).encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        return msgspec.json.decode(mended)


def finite(text: str) -> float | None:
    """Return a JSON number, or None when it is beyond what a double can hold."""
    number = float(text)
    return number if math.isfinite(number) else None


def clean(row: Mapping[str, Any], fields: Fields) -> tuple[dict[str, Any], int]:
    """Return a record with every known field of its kind or null, unknown fields as they are.

    Returns:
        The record, and how many values became null because they were not of their kind.
    """
    record = {**dict.fromkeys(fields), **row}
    nulled = 0
    for name, kind in fields.items():
        value = record[name]
        if value is not None:
            try:
                record[name] = CLEANERS[kind](value)
            except (ValueError, TypeError, OverflowError):
                record[name] = None
                nulled += 1
    return record, nulled


def only(*types: type) -> Callable[[Any], Any]:
    """Return a cleaner that lets values of these types pass, and no others (a bool is no int here)."""

    def cleaner(value: Any) -> Any:
        if type(value) not in types:
            raise TypeError(value)
        return value

    return cleaner


def as_text(value: Any) -> str:
    """Return a text; a number or boolean as JSON writes it."""
    if isinstance(value, str):
        return value
    return msgspec.json.encode(only(int, float, bool)(value)).decode()


def as_integer(value: Any) -> int:
    """Return a whole number; also of `12.0` and `"12"`."""
    if isinstance(value, float) and not value.is_integer():
        raise ValueError(value)
    return int(only(int, float, str)(value))


def as_number(value: Any) -> int | float:
    """Return a number; also of `"12.5"`."""
    number: int | float = float(value) if isinstance(value, str) else only(int, float)(value)
    if not math.isfinite(number):
        raise ValueError(value)
    return number


def as_boolean(value: Any) -> bool:
    """Return a boolean; also of `"true"` and `"false"`."""
    return {"true": True, "false": False}[value.lower()] if value in BOOLEAN_TEXTS else bool(only(bool)(value))


def as_time(value: Any) -> str:
    """Return RFC 3339, of a text or an epoch number."""
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
