"""Parquet, as Split's S3 export and warehouses write it; any column may be missing, and others are ignored.

https://developer.harness.io/docs/feature-management-experimentation/integrations/amazon-s3
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator
from datetime import date, datetime
from decimal import Decimal
from itertools import repeat
from typing import IO, Any

# Read when pyarrow is loaded: its own memory pool keeps what it has freed.
os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import parquet

from tap_split_impressions.common.timestamps import USUAL_MILLISECONDS, rfc3339
from tap_split_impressions.folder.readers.base import DamagedFileError
from tap_split_impressions.impressions.item import (
    NECESSARY,
    WHOLE_NUMBERS,
    Item,
    NotAnImpression,
    Row,
    field_of,
    item_of_fields,
    with_plausible_arrival,
)

BLOCK_ROWS = 2000
LARGEST_EXACT_FLOAT32 = 2**24
BUFFER_BYTES = 64 * 1024
FIELDS = Item.__struct_fields__
OBJECTS = ("properties", "attributes")

# What pyarrow raises for a file or value that it cannot read; ArrowException covers only a part.
UNREADABLE = (pa.ArrowException, OSError, ValueError, TypeError, KeyError, OverflowError)


def read_parquet(stream: IO[bytes]) -> Iterator[list[Row]]:
    """Yield the rows of a Parquet file, one piece of a row group at a time.

    Raises:
        DamagedFileError: It is not Parquet, is cut off, holds no column for a necessary field, or types nobody reads.
    """
    try:
        # Without these two options whole column chunks are held.
        file = parquet.ParquetFile(stream, buffer_size=BUFFER_BYTES, pre_buffer=False)
        names = [name for name in file.schema_arrow.names if field_of(name)]
        if missing := [name for name in NECESSARY if name not in map(field_of, names)]:
            raise DamagedFileError(f"has no column for {', '.join(missing)}")
        for batch in file.iter_batches(BLOCK_ROWS, columns=list(dict.fromkeys(names))):
            fields = columns_of(batch)
            yield _rows_as_they_are(fields, len(batch)) if is_as_documented(fields) else rows_converted(fields)
    except UNREADABLE as error:
        raise DamagedFileError(
            f"is cut off, damaged or has values that cannot be read ({type(error).__name__})"
        ) from error


def columns_of(batch: Any) -> dict[str, Any]:
    """Return the columns by field. Of two columns for one field the first value of a row counts."""
    found: dict[str, Any] = {}
    for name, column in zip(batch.schema.names, batch.columns, strict=True):
        target = field_of(name)
        if target is None:
            continue
        column = column if target in OBJECTS else plain(column)  # noqa: PLW2901  # the same column, as values
        first = found.get(target)
        if first is None or first.type.equals(column.type):
            found[target] = column if first is None else pc.coalesce(first, column)
        else:
            pairs = zip(values_of(first), values_of(column), strict=True)
            found[target] = pa.array([str(a if a is not None else b) for a, b in pairs], pa.string())
    return found


def plain(column: Any) -> Any:
    """Return a column as texts and numbers: writers also mark texts as bytes, or milliseconds as times or decimals.

    Nothing merges keys: bytes that are not UTF-8 stay distinct, and so do numbers.
    """
    kind = column.type
    if pa.types.is_dictionary(kind):
        return plain(column.dictionary_decode())
    for of_kind, convert in CONVERSIONS_OF_KINDS:
        if of_kind(kind):
            return convert(column)
    return column


def _texts_of_bytes(column: Any) -> Any:
    texts = (None if value is None else value.decode("utf-8", "backslashreplace") for value in column.to_pylist())
    return pa.array(texts, pa.string())


def _texts_of_decimals(column: Any) -> Any:
    return pa.array([None if value is None else decimal_text(value) for value in column.to_pylist()], pa.string())


def exact_floats(column: Any) -> Any:
    """Return 32-bit numbers; those that are no longer exact become infinite, which nothing is read from."""
    numbers = column.cast(pa.float64())
    return pc.if_else(pc.greater(pc.abs(numbers), LARGEST_EXACT_FLOAT32), math.inf, numbers)


def moments(column: Any) -> Any:
    """Return times as milliseconds since 1970, or all as RFC 3339 where the size of a number tells another unit."""
    whole = column.cast(pa.timestamp("ms", getattr(column.type, "tz", None)), safe=False).cast(pa.int64())
    values = whole.to_pylist()
    if all(value is None or value in USUAL_MILLISECONDS for value in values):
        return whole
    return pa.array([None if value is None else _moment_text(value) for value in values], pa.string())


def _moment_text(milliseconds: int) -> str:
    try:
        return rfc3339(milliseconds)
    except OverflowError:
        return f"{milliseconds} ms"


def _is_binary(kind: Any) -> bool:
    checks = (pa.types.is_binary, pa.types.is_large_binary, pa.types.is_fixed_size_binary, pa.types.is_binary_view)
    return any(check(kind) for check in checks)


CONVERSIONS_OF_KINDS: tuple[tuple[Callable[[Any], bool], Callable[[Any], Any]], ...] = (
    (_is_binary, _texts_of_bytes),
    (pa.types.is_timestamp, moments),
    (pa.types.is_date, moments),
    (pa.types.is_decimal, _texts_of_decimals),
    (pa.types.is_float32, exact_floats),
    (pa.types.is_float16, exact_floats),
)


def is_as_documented(fields: dict[str, Any]) -> bool:
    """Whether columns have the documented types, with nothing missing that is necessary."""
    return not any(fields[name].null_count for name in NECESSARY) and all(
        pa.types.is_integer(column.type) if name in WHOLE_NUMBERS else pa.types.is_string(column.type)
        for name, column in fields.items()
    )


def _rows_as_they_are(fields: dict[str, Any], count: int) -> list[Row]:
    values = [values_of(fields[name]) if name in fields else repeat(None, count) for name in FIELDS]
    return with_plausible_arrival(list(map(Item, *values)))


def rows_converted(fields: dict[str, Any]) -> list[Row]:
    """Return the items of columns of other types, or with missing values, row by row."""
    rows: list[Row] = []
    columns = [_object_values(fields[name]) if name in OBJECTS else values_of(fields[name]) for name in fields]
    for row in zip(*columns, strict=True):
        try:
            rows.append(item_of_fields(dict(zip(fields, row, strict=True))))
        except NotAnImpression as reason:
            rows.append(reason)
    return rows


def values_of(column: Any) -> list[Any]:
    """Return a column's values; nobody has checked that a text in it is UTF-8."""
    try:
        values: list[Any] = column.to_pylist()
    except UnicodeDecodeError:
        values = plain(column.cast(pa.large_binary())).to_pylist()
    return values


def _object_values(column: Any) -> list[Any]:
    coarse = column.cast(without_nanoseconds(column.type), safe=False)
    return [_json_value(value, coarse.type) for value in values_of(coarse)]


def without_nanoseconds(kind: Any) -> Any:
    """Return a type with microseconds in place of nanoseconds, which Python's times do not hold."""
    if pa.types.is_timestamp(kind) and kind.unit == "ns":
        return pa.timestamp("us", kind.tz)
    if pa.types.is_struct(kind):
        return pa.struct([field.with_type(without_nanoseconds(field.type)) for field in kind])
    if pa.types.is_map(kind):
        return pa.map_(kind.key_type, without_nanoseconds(kind.item_type))
    if pa.types.is_list(kind):
        return pa.list_(without_nanoseconds(kind.value_type))
    return kind


def _json_value(value: Any, kind: Any) -> Any:
    if value is None:
        return None
    if pa.types.is_map(kind):
        return {str(_json_value(key, kind.key_type)): _json_value(item, kind.item_type) for key, item in value}
    if pa.types.is_struct(kind):
        return {field.name: _json_value(value.get(field.name), field.type) for field in kind}
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return [_json_value(item, kind.value_type) for item in value]
    return _json_scalar(value)


def _json_scalar(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.decode("utf-8", "backslashreplace")
    if isinstance(value, Decimal):
        return _decimal_value(value)
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value if isinstance(value, str | int | float) else str(value)


def decimal_text(value: Decimal) -> str:
    """Return a decimal as digits, exactly; a fraction of zeros is left out."""
    return format(value.to_integral_value() if value == value.to_integral_value() else value, "f")


def _decimal_value(value: Decimal) -> int | float:
    return int(value) if value == value.to_integral_value() else float(value)
