"""Rows out of a file, by the format of its content: each reader yields blocks of rows in the order of the file.

What is not an impression stands in its place in the block as the reason, so that a row's number never depends on other
rows being readable. Blocks are small: memory does not grow with the file.
"""

from __future__ import annotations

import csv
import gzip
import io
import re
import zlib
from collections.abc import Iterator
from typing import IO, Any

from tap_split_impressions.folder.readers.base import (
    DamagedFileError,
    UnknownFormatError,
    decompressed,
    other_compression,
    seekable,
)
from tap_split_impressions.folder.readers.csv_export import CsvOptions, is_csv, read_csv, wide_encoding
from tap_split_impressions.folder.readers.json_text import is_json, read_json
from tap_split_impressions.impressions.item import Row

__all__ = ["CsvOptions", "DamagedFileError", "Row", "UnknownFormatError", "read"]

PARQUET_MAGIC = b"PAR1"
SNIFFED_BYTES = 64 * 1024
PARQUET_NAME = re.compile(r"\.(parquet|pq)\b", re.IGNORECASE)
JSON_NAME = re.compile(r"\.(json|jsonl|ndjson)\b", re.IGNORECASE)
CSV_NAME = re.compile(r"\.(csv|tsv)\b", re.IGNORECASE)


def read(name: str, stream: IO[bytes], options: CsvOptions) -> Iterator[list[Row]]:
    """Yield the rows of a file in blocks.

    Args:
        name: Its name, whose extension tells what a file should be that has no such content.
        stream: Its bytes, compressed with gzip or not.
        options: How to read CSV.

    Raises:
        DamagedFileError: It cannot be read, or not to its end.
        UnknownFormatError: Its content is neither Parquet, JSON nor CSV with the columns of impressions.
    """
    try:
        with decompressed(stream) as content:
            yield from read_decompressed(name, content, options)
    except csv.Error as error:
        raise DamagedFileError(f"is not valid CSV ({error})") from error
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise DamagedFileError("is cut off or damaged (its gzip compression does not end as it should)") from error


def read_decompressed(name: str, content: io.BufferedReader[Any], options: CsvOptions) -> Iterator[list[Row]]:
    """Yield the rows of a file that is not compressed as a whole."""
    head = content.peek(SNIFFED_BYTES)[:SNIFFED_BYTES]
    if compression := other_compression(head):
        is_data = any(data_name.search(name) for data_name in (PARQUET_NAME, JSON_NAME, CSV_NAME))
        error = DamagedFileError if is_data else UnknownFormatError
        raise error(f"is compressed with {compression}; only gzip is read")
    if PARQUET_NAME.search(name) and not head.startswith(PARQUET_MAGIC):
        raise DamagedFileError("is cut off, damaged or not a Parquet file")
    if head.startswith(PARQUET_MAGIC):
        try:
            # pyarrow takes 40 MB of memory, which the other formats do without.
            from tap_split_impressions.folder.readers.parquet import read_parquet  # noqa: PLC0415  # see above
        except ImportError:
            raise DamagedFileError("needs a library that is not installed: pip install pyarrow") from None
        with seekable(content) as file:
            yield from read_parquet(file)
    elif mark := wide_encoding(head):
        yield from read_wide(name, content, mark, options)
    elif is_json(head) or JSON_NAME.search(name):
        yield from read_json(content)
    elif CSV_NAME.search(name) or is_csv(head, options):
        yield from read_csv(content, options)
    elif head.strip():
        raise UnknownFormatError("is neither Parquet, JSON nor CSV with the columns of impressions")


def read_wide(name: str, content: io.BufferedReader[Any], encoding: str, options: CsvOptions) -> Iterator[list[Row]]:
    """Yield the rows of a file in UTF-16 or UTF-32, as spreadsheets write them, which is held as a whole.

    Raises:
        DamagedFileError: It is not text in that encoding.
    """
    try:
        text = content.read().decode(encoding).encode()
    except UnicodeError:
        raise DamagedFileError(f"is not text in the encoding {encoding}, which its byte order mark tells") from None
    yield from read_decompressed(name, io.BufferedReader(io.BytesIO(text)), options)
