"""CSV, as Split's Data hub exports it. Its column names are not documented, so they are guessed or set.

https://developer.harness.io/docs/feature-management-experimentation/feature-management/export-data
"""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, NamedTuple

from tap_split_impressions.common.number_ids import LOST_DIGITS, has_lost_digits
from tap_split_impressions.folder.readers.base import DamagedFileError
from tap_split_impressions.impressions.item import (
    CONVERSIONS,
    NECESSARY,
    Item,
    NotAnImpression,
    Row,
    field_of,
    item_of_fields,
    text_of,
)

BLOCK_ROWS = 1000
DELIMITERS = ",;\t|"
LONGEST_CELL = 64 * 1024 * 1024
DEFAULT_ENCODING = "utf-8"
# UTF-32 first: its mark begins with that of UTF-16.
MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
# What spreadsheets and databases write for an absent value.
ABSENT = frozenset({"", "NULL", "null", r"\N"})


@dataclass(frozen=True)
class CsvOptions:
    """How to read CSV files.

    Attributes:
        columns: Field of ours to header, before what the headers themselves suggest.
        encoding: Of files without a byte order mark.
    """

    columns: Mapping[str, str] = field(default_factory=dict)
    encoding: str = DEFAULT_ENCODING


@dataclass(frozen=True)
class Header:
    """The first line of a CSV file: what separates cells, the columns' names, and the field of each, or None."""

    delimiter: str
    names: list[str]
    fields: list[str | None]

    @property
    def missing(self) -> list[str]:
        """The necessary fields for which there is no column."""
        return [name for name in NECESSARY if name not in self.fields]


def is_csv(head: bytes, options: CsvOptions) -> bool:
    """Whether a file's first bytes begin as CSV does that has at least one column of an impression."""
    text = io.StringIO(head.decode(encoding_of(head, options), "replace"), newline="")
    header = header_of(text, options)
    return header is not None and len(header.missing) < len(NECESSARY) and "\0" not in "".join(header.names)


def read_csv(stream: io.BufferedReader[Any], options: CsvOptions) -> Iterator[list[Row]]:
    """Yield the rows of a CSV file with a header line.

    Raises:
        DamagedFileError: There is no column for a necessary field, or it is not text in its encoding.
        csv.Error: A quote does not end.
    """
    csv.field_size_limit(LONGEST_CELL)
    encoding = encoding_of(stream.peek(4), options)
    with io.TextIOWrapper(stream, encoding, newline="") as text:
        try:
            header = header_of(text, options)
            if header is None:
                return
            if header.missing:
                wanted, given = ", ".join(header.missing), ", ".join(header.names)
                raise DamagedFileError(
                    f"has no column for {wanted} (setting 'csv_columns' names them; it has: {given})"
                )
            rows = csv.reader(text, delimiter=header.delimiter, strict=True)
            columns = columns_of(header)
            while block := list(islice(rows, BLOCK_ROWS)):
                yield [row_of(cells, columns, len(header.fields)) for cells in block if cells]
        except UnicodeError as error:
            raise DamagedFileError(
                f"is not text in the encoding {encoding} (the setting 'csv_encoding' names another)"
            ) from error


def encoding_of(head: bytes, options: CsvOptions) -> str:
    """Return the encoding that a byte order mark tells, else that of the setting."""
    return "utf-8-sig" if head.startswith(codecs.BOM_UTF8) else options.encoding


def wide_encoding(head: bytes) -> str | None:
    """Return the encoding of a file whose byte order mark tells UTF-16 or UTF-32."""
    return next((name for mark, name in MARKS if head.startswith(mark)), None)


def header_of(text: Any, options: CsvOptions) -> Header | None:
    """Read the header line; blank lines before it, and Excel's `sep=;`, are skipped. None for a blank file."""
    delimiter = None
    while line := text.readline():
        if line.strip().lower().startswith("sep=") and len(line.strip()) == len("sep=") + 1:
            delimiter = line.strip()[-1]
        elif line.strip(" \t\r\n,;"):
            delimiter = delimiter or max(DELIMITERS, key=line.count)
            names = next(csv.reader([line], delimiter=delimiter))
            return Header(delimiter, names, fields_of(names, options.columns))
    return None


def fields_of(headers: list[str], columns: Mapping[str, str]) -> list[str | None]:
    """Return the field of each column: by the setting, else by its name unless the setting gives that field another."""
    chosen = {header.strip().lower(): field_of(name) for name, header in columns.items()}
    guessed = [None if (name := field_of(header)) in chosen.values() else name for header in headers]
    return [chosen.get(header.strip().lower()) or guess for header, guess in zip(headers, guessed, strict=True)]


class Column(NamedTuple):
    """A column that holds a field: its number in a row, the field, and what converts a cell, if anything."""

    place: int
    name: str
    convert: Callable[[str], Any] | None


def columns_of(header: Header) -> list[Column]:
    """Return the columns that hold fields, in their order."""
    return [
        Column(place, name, None if name in TEXTS else CSV_CONVERSIONS.get(name, CONVERSIONS[name]))
        for place, name in enumerate(header.fields)
        if name
    ]


def row_of(cells: list[str], columns: list[Column], count: int) -> Row:
    """Return a row's item. Of two columns for one field the first value counts; an absent value is none."""
    if len(cells) != count and any(cells[count:] or ("?",)):
        return NotAnImpression("more or fewer cells than the header")
    values: dict[str, Any] = {}
    try:
        for place, name, convert in columns:
            cell = cells[place]
            if cell not in ABSENT and name not in values:
                values[name] = convert(cell) if convert else cell
        return Item(**values) if values.keys() >= NECESSARY_FIELDS else item_of_fields(values)
    except NotAnImpression as reason:
        return reason


def _whole_key(cell: str) -> str:
    if has_lost_digits(cell):
        raise NotAnImpression(f"a key {LOST_DIGITS}")
    return cell


def usual_time(convert: Callable[[Any], Any]) -> Callable[[str], Any]:
    """Return a conversion of times that does not look closely at milliseconds, by far the most usual."""

    def converted(cell: str) -> Any:
        is_usual = len(cell) == len("1767261600123") and cell.isascii() and cell.isdigit() and cell[0] != "0"
        return int(cell) if is_usual else convert(cell)

    return converted


TEXTS = {name for name, convert in CONVERSIONS.items() if convert is text_of} | {"split", "treatment"}
CSV_CONVERSIONS: dict[str, Callable[[str], Any]] = {
    "key": _whole_key,
    "bucketing_key": _whole_key,
    **{name: usual_time(CONVERSIONS[name]) for name in ("time", "previous_time", "received")},
}
NECESSARY_FIELDS = frozenset(NECESSARY)
