"""CSV, as Split's Data hub exports it. Its column names are not documented, so they are guessed or set.

https://developer.harness.io/docs/feature-management-experimentation/feature-management/export-data
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping
from itertools import islice

from tap_split_impressions.folder.readers import DamagedFileError, Row
from tap_split_impressions.impressions.item import NECESSARY, NotAnImpression, field_of, item_of_fields

BLOCK_ROWS = 1000
DELIMITERS = ",;\t|"
LONGEST_CELL = 64 * 1024 * 1024


def read_csv(stream: io.BufferedReader, csv_columns: Mapping[str, str]) -> Iterator[list[Row]]:
    """Yield the rows of a CSV file with a header line, UTF-8 with or without a byte order mark.

    Args:
        stream: The file.
        csv_columns: Field of ours to the file's header.

    Raises:
        DamagedFileError: When no column is found for a necessary field.
    """
    csv.field_size_limit(LONGEST_CELL)
    with io.TextIOWrapper(stream, "utf-8-sig", errors="replace", newline="") as text:
        header_line = text.readline()
        if not header_line.strip():
            return
        delimiter = max(DELIMITERS, key=header_line.count)
        headers = next(csv.reader([header_line], delimiter=delimiter))
        fields = fields_of(headers, csv_columns)
        if missing := [field for field in NECESSARY if field not in fields]:
            wanted, given = ", ".join(missing), ", ".join(headers)
            raise DamagedFileError(f"has no column for {wanted} (setting 'csv_columns' tells which; it has: {given})")
        rows = csv.reader(text, delimiter=delimiter)
        while block := list(islice(rows, BLOCK_ROWS)):
            yield [row_of(cells, fields) for cells in block if cells]


def fields_of(headers: list[str], csv_columns: Mapping[str, str]) -> list[str | None]:
    """Return the field that each column holds, by the setting first and by the header's own name else."""
    chosen = {header.strip().lower(): field_of(name) for name, header in csv_columns.items()}
    return [chosen.get(header.strip().lower()) or unless_chosen(field_of(header), chosen) for header in headers]


def unless_chosen(field: str | None, chosen: Mapping[str, str | None]) -> str | None:
    """Return a guessed field unless the setting gives it another column."""
    return None if field in chosen.values() else field


def row_of(cells: list[str], fields: list[str | None]) -> Row:
    """Return a row's item; an empty cell is an absent value."""
    if len(cells) != len(fields):
        return NotAnImpression("more or fewer cells than the header")
    try:
        return item_of_fields({field: cell for field, cell in zip(fields, cells, strict=True) if field and cell})
    except NotAnImpression as reason:
        return reason
