"""Rows out of a file, by its format: each reader yields blocks of items, in the order in which they lie in the file.

What is no impression stands in its place in the block as the reason, so that a row's number never depends on other rows
being readable. Blocks are small: memory does not grow with the file.
"""

from __future__ import annotations

import csv
import gzip
import io
import shutil
import tempfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import IO, Any

from tap_split_impressions.impressions.item import Item, NotAnImpression

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
            from tap_split_impressions.folder.readers.parquet import read_parquet  # noqa: PLC0415

            with unzipped_copy(stream) as seekable:
                yield from read_parquet(seekable)
            return
        with unzipped(stream) as content:
            if lowered.removesuffix(".gz").endswith(".csv"):
                from tap_split_impressions.folder.readers.csv_export import read_csv  # noqa: PLC0415

                yield from read_csv(content, csv_columns)
            else:
                from tap_split_impressions.folder.readers.json_text import read_document, read_lines  # noqa: PLC0415

                is_document = lowered.removesuffix(".gz").endswith(".json")
                yield from read_document(content) if is_document else read_lines(content)
    except csv.Error as error:
        raise DamagedFileError(f"is no CSV that can be read ({error})") from error
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise DamagedFileError("is cut or damaged (its gzip compression does not end as it should)") from error


@contextmanager
def unzipped(stream: IO[bytes]) -> Iterator[io.BufferedReader[Any]]:
    """Yield a buffered stream, unzipped if the first bytes say so, whatever the name says."""
    with io.BufferedReader(stream, BUFFER_BYTES) as plain:  # type: ignore[type-var]  # fsspec's files are raw streams
        if plain.peek(2)[:2] != GZIP_MAGIC:
            yield plain
            return
        with io.BufferedReader(gzip.GzipFile(fileobj=plain), BUFFER_BYTES) as content:
            yield content


@contextmanager
def unzipped_copy(stream: IO[bytes]) -> Iterator[IO[bytes]]:
    """Yield a seekable stream that is not compressed as a whole: the given one, or a temporary file made of it."""
    zipped = stream.read(2) == GZIP_MAGIC
    stream.seek(0)
    if not zipped:
        yield stream
        return
    with tempfile.TemporaryFile() as copy:
        shutil.copyfileobj(gzip.GzipFile(fileobj=stream), copy)
        copy.seek(0)
        yield copy
