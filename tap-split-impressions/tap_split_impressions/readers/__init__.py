"""Rows out of a file, by its format: each reader yields blocks of items, in the order in which they lie in the file.

What is no impression stands in its place in the block as the reason, so that a row's number never depends on other rows
being readable. Blocks are small: memory does not grow with the file.
"""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Iterator, Mapping
from typing import IO, Any

from tap_split_impressions.impressions import Item, NotAnImpression

Row = Item | NotAnImpression
BUFFER_BYTES = 256 * 1024
GZIP_MAGIC = b"\x1f\x8b"


class DamagedFileError(Exception):
    """A file that cannot be read further. The message completes a sentence that begins with the file's name."""


def read(name: str, stream: IO[bytes], csv_columns: Mapping[str, str]) -> Iterator[list[Row]]:
    """Yield the rows of a file in blocks.

    Args:
        name: The file's name; its ending tells the format.
        stream: Its bytes. A Parquet file must be seekable.
        csv_columns: Field of ours to header of a CSV file, before what the headers themselves suggest.

    Raises:
        DamagedFileError: When it cannot be read, or not to its end.
    """
    lowered = name.lower()
    try:
        if ".parquet" in lowered:
            # pyarrow takes 40 MB, which the other formats do without.
            from tap_split_impressions.readers.parquet import read_parquet  # noqa: PLC0415

            yield from read_parquet(stream)
            return
        buffered: io.BufferedReader[Any] = io.BufferedReader(stream, BUFFER_BYTES)
        if buffered.peek(2)[:2] == GZIP_MAGIC:
            buffered = io.BufferedReader(gzip.GzipFile(fileobj=buffered), BUFFER_BYTES)
        if lowered.removesuffix(".gz").endswith(".csv"):
            from tap_split_impressions.readers.csv_export import read_csv  # noqa: PLC0415

            yield from read_csv(buffered, csv_columns)
        else:
            from tap_split_impressions.readers.json_text import read_document, read_lines  # noqa: PLC0415

            yield from (read_document if lowered.removesuffix(".gz").endswith(".json") else read_lines)(buffered)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise DamagedFileError("is cut or damaged (its gzip compression does not end as it should)") from error
