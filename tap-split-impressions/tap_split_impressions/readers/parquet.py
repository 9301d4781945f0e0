"""Parquet, as Split's S3 export writes it; any column may be missing, and others are ignored.

https://developer.harness.io/docs/feature-management-experimentation/integrations/amazon-s3
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import IO, Any

import pyarrow as pa
from pyarrow import parquet

from tap_split_impressions.impressions import NECESSARY, NotAnImpression, field_of, item_of_fields
from tap_split_impressions.readers import DamagedFileError, Row

BLOCK_ROWS = 2000


def read_parquet(stream: IO[bytes]) -> Iterator[list[Row]]:
    """Yield the rows of a Parquet file, one piece of a row group at a time.

    Raises:
        DamagedFileError: When it is no Parquet file, is cut, or holds no column for a necessary field.
    """
    try:
        file = parquet.ParquetFile(stream)
        columns = {field: name for name in file.schema_arrow.names if (field := field_of(name))}
        if missing := [field for field in NECESSARY if field not in columns]:
            raise DamagedFileError(f"has no column for {', '.join(missing)}")
        for batch in file.iter_batches(BLOCK_ROWS, columns=list(columns.values())):
            yield rows_of(batch, columns)
    except (pa.ArrowException, OSError) as error:
        raise DamagedFileError(f"is cut, damaged or no Parquet file ({type(error).__name__})") from error


def rows_of(batch: Any, columns: dict[str, str]) -> list[Row]:
    """Return the rows of an Arrow batch."""
    values = [batch.column(name).to_pylist() for name in columns.values()]
    rows: list[Row] = []
    for row in zip(*values, strict=True):
        try:
            rows.append(item_of_fields(dict(zip(columns, row, strict=True))))
        except NotAnImpression as reason:
            rows.append(reason)
    return rows
