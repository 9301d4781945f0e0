"""Parquet, as Split's S3 export writes it; any column may be missing, and others are ignored.

https://developer.harness.io/docs/feature-management-experimentation/integrations/amazon-s3
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import repeat
from typing import IO, Any

# Read when pyarrow is loaded: its own memory pool keeps what it has freed.
os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")

import pyarrow as pa
from pyarrow import parquet

from tap_split_impressions.folder.readers import DamagedFileError, Row
from tap_split_impressions.impressions.item import (
    NECESSARY,
    Item,
    NotAnImpression,
    field_of,
    item_of_fields,
    with_plausible_arrival,
)

BLOCK_ROWS = 2000
BUFFER_BYTES = 64 * 1024
FIELDS = Item.__struct_fields__
WHOLE_NUMBERS = ("time", "version", "previous_time", "received")


def read_parquet(stream: IO[bytes]) -> Iterator[list[Row]]:
    """Yield the rows of a Parquet file, one piece of a row group at a time.

    Raises:
        DamagedFileError: When it is no Parquet file, is cut, or holds no column for a necessary field.
    """
    try:
        # Without these two options whole column chunks are held.
        file = parquet.ParquetFile(stream, buffer_size=BUFFER_BYTES, pre_buffer=False)
        columns = {field: name for name in file.schema_arrow.names if (field := field_of(name))}
        if missing := [field for field in NECESSARY if field not in columns]:
            raise DamagedFileError(f"has no column for {', '.join(missing)}")
        for batch in file.iter_batches(BLOCK_ROWS, columns=list(columns.values())):
            fields = {field: plain(batch.column(name)) for field, name in columns.items()}
            yield rows_as_they_are(fields, len(batch)) if is_as_documented(fields) else rows_converted(fields)
    except (pa.ArrowException, OSError) as error:
        raise DamagedFileError(f"is cut, damaged or no Parquet file ({type(error).__name__})") from error


def plain(column: Any) -> Any:
    """Return a column as texts and numbers: some writers mark texts as bytes, or milliseconds as times."""
    if pa.types.is_binary(column.type) or pa.types.is_large_binary(column.type):
        texts = (None if value is None else value.decode("utf-8", "replace") for value in column.to_pylist())
        return pa.array(texts, pa.string())
    if pa.types.is_timestamp(column.type):
        return column.cast(pa.timestamp("ms", column.type.tz), safe=False).cast(pa.int64())
    return column


def is_as_documented(fields: dict[str, Any]) -> bool:
    """Whether columns have the documented types, with nothing missing that is necessary."""
    return not any(fields[field].null_count for field in NECESSARY) and all(
        pa.types.is_integer(column.type) if field in WHOLE_NUMBERS else pa.types.is_string(column.type)
        for field, column in fields.items()
    )


def rows_as_they_are(fields: dict[str, Any], count: int) -> list[Row]:
    """Return the items of columns whose values need no conversion."""
    values = [values_of(fields[field]) if field in fields else repeat(None, count) for field in FIELDS]
    return with_plausible_arrival(list(map(Item, *values)))


def rows_converted(fields: dict[str, Any]) -> list[Row]:
    """Return the items of columns of other types, or with missing values, row by row."""
    rows: list[Row] = []
    for row in zip(*map(values_of, fields.values()), strict=True):
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
