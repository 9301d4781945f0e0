"""JSON however its values are separated: lines, one array, or objects behind one another.

The first bytes tell which. Amazon Data Firehose writes objects without any separator; people write arrays and
pretty-printed objects too. Each block of bytes is cut behind its last whole value, so memory does not grow with the
file.
"""

from __future__ import annotations

import io
import re
from collections import deque
from collections.abc import Iterator
from typing import Any

import msgspec

from tap_split_impressions.common.lenient_json import decoded, decoded_values, repaired
from tap_split_impressions.folder.readers.base import BUFFER_BYTES, DamagedFileError
from tap_split_impressions.impressions.item import (
    Item,
    NotAnImpression,
    Row,
    arrival_or_none,
    items_of,
    with_plausible_arrival,
)
from tap_split_impressions.impressions.layout import Batch, Decoders, Shape

BOM = b"\xef\xbb\xbf"
STORED_BEGINNING = b'{"received":'
FIRST_LINE_BYTES = 4 * 1024 * 1024  # of a file whose first line tells how its values are separated

# Places between two objects: of an array, and of objects behind one another.
IN_ARRAY, ADJOINING = re.compile(rb"\}\s*,\s*(?=\{)"), re.compile(rb"\}\s*(?=\{)")
STORED_LINE = re.compile(rb'\{"received":(\d{1,19}),"batch":\[(.*)\]\}', re.DOTALL)
MOST_CUTS = 3  # such places at the end of a block that are tried: the last may lie inside a text

NOT_JSON, CUT_LINE = "not valid JSON", "a line cut off at the end of the file"


class RawBatch(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    """A `Batch` whose objects are not decoded yet."""

    received: int
    batch: list[msgspec.Raw]


_raw_list = msgspec.json.Decoder(list[msgspec.Raw])
_raw_batch = msgspec.json.Decoder(RawBatch)


def is_json(head: bytes) -> bool:
    """Whether a file begins as JSON does."""
    return head.removeprefix(BOM).lstrip()[:1] in (b"{", b"[")


def read_json(stream: io.BufferedReader[Any]) -> Iterator[list[Row]]:
    """Yield the rows of a file of JSON values; each may hold one impression or many.

    Raises:
        DamagedFileError: An array or an object does not end, or is not valid JSON.
    """
    first = stream.read(BUFFER_BYTES)
    if b"\n" not in first:
        first += stream.readline(FIRST_LINE_BYTES)
    first = first.removeprefix(BOM).lstrip()
    separator = separator_of(first)
    if separator is None:
        yield from read_lines(first, stream)
    else:
        yield from read_values(first, stream, separator)


def separator_of(text: bytes) -> re.Pattern[bytes] | None:
    """Return what stands between the values of a file, by its beginning; None for lines."""
    line = text.partition(b"\n")[0].strip()
    if line.startswith(STORED_BEGINNING) or _is_valid(line):
        return None
    if text.startswith(b"["):
        return None if line.endswith(b"]") else IN_ARRAY
    # Several objects in the first line, or one of which it is only the beginning.
    return ADJOINING if ADJOINING.search(line) or line.endswith((b"{", b"[", b",")) else None


def _is_valid(text: bytes) -> bool:
    try:
        decoded(text)
    except (ValueError, RecursionError):
        return False
    return True


def read_lines(first: bytes, stream: io.BufferedReader[Any]) -> Iterator[list[Row]]:
    """Yield the rows of JSON lines; `first` is what has been read of the stream."""
    decoders = Decoders()
    text = first + stream.readline()
    while text:
        yield rows_of_block(text, decoders)
        text = stream.read(BUFFER_BYTES)
        text += stream.readline() if text else b""


def rows_of_block(text: bytes, decoders: Decoders) -> list[Row]:
    """Return the rows of whole lines: all at once in the usual case that they are alike."""
    if not decoders.singly:
        try:
            return rows_of_like_lines(text, decoders.shape)
        except (ValueError, RecursionError):
            fixed = repaired(text)
        if fixed is not text:
            try:
                return rows_of_like_lines(fixed, decoders.shape)
            except (ValueError, RecursionError):
                pass
    decoders.singly = False
    return [row for line in io.BytesIO(text) if line.strip() for row in rows_of_line(line, decoders)]


def rows_of_like_lines(text: bytes, shape: Shape) -> list[Row]:
    """Return the rows of lines of one shape.

    Raises:
        ValueError: There is another line among them.
    """
    if text.startswith(STORED_BEGINNING):
        batches = shape.stored.decode_lines(text)
        return [row for batch in batches for row in arrived(shape.rows(batch.batch), batch.received)]
    return with_plausible_arrival(shape.rows(shape.item.decode_lines(text)))


def rows_of_line(line: bytes, decoders: Decoders | None = None) -> list[Row]:
    """Return the rows of one line: a batch that a receiver stored, or any payload, or several of them."""
    decoders = decoders or Decoders()
    if line.startswith(STORED_BEGINNING) and (rows := rows_of_batch(line, decoders)) is not None:
        return rows
    try:
        return with_plausible_arrival(decoders.rows_of(line))
    except (ValueError, RecursionError):
        pass
    try:
        return rows_of_values(line.strip(), ADJOINING, decoders)
    except (ValueError, RecursionError):
        return [NotAnImpression(NOT_JSON if line.endswith(b"\n") else CUT_LINE)]


def rows_of_batch(line: bytes, decoders: Decoders) -> list[Row] | None:
    """Return the rows of a batch that a receiver stored, or None when the line is something else."""
    try:
        raw = _raw_batch.decode(line)
        return arrived([row for item in raw.batch for row in decoders.rows_of(item)], raw.received)
    except (ValueError, RecursionError):
        pass
    if found := STORED_LINE.fullmatch(line.rstrip()):
        try:
            return arrived(rows_of_values(found[2], IN_ARRAY, decoders), int(found[1]))
        except (ValueError, RecursionError):
            pass
    try:
        batch = msgspec.convert(decoded(line), Batch)
        return arrived(list(items_of(batch.batch)), batch.received)
    except (ValueError, RecursionError):
        return None


def read_values(first: bytes, stream: io.BufferedReader[Any], separator: re.Pattern[bytes]) -> Iterator[list[Row]]:
    """Yield the rows of an array, or of objects behind one another; `first` is what has been read of the stream."""
    decoders = Decoders()
    text = first[1:] if separator is IN_ARRAY else first
    while True:
        # Where the text before a place is valid JSON, that place does lie between two objects.
        for cut in reversed(deque(separator.finditer(text), MOST_CUTS)):
            try:
                rows = rows_of_values(text[: cut.start() + 1], separator, decoders)
            except (ValueError, RecursionError):
                continue
            yield rows
            text = text[cut.end() :]
            break
        more = stream.read(max(BUFFER_BYTES, len(text)))
        if not more:
            break
        text += more
    rest = text.strip()
    if separator is IN_ARRAY:
        if not rest.endswith(b"]"):
            raise DamagedFileError("is cut off (its JSON array does not end)")
        rest = rest[:-1].rstrip().removesuffix(b",")
    if not rest:
        return
    try:
        yield rows_of_values(rest, separator, decoders)
    except (ValueError, RecursionError):
        raise DamagedFileError("is cut off or not valid JSON") from None


def rows_of_values(text: bytes, separator: re.Pattern[bytes], decoders: Decoders) -> list[Row]:
    """Return the rows of a text that is objects and what stands between them.

    Raises:
        ValueError: It is something else.
    """
    # The line feed makes it invalid where a separator was part of a text.
    array = b"[%b]" % (text if separator is IN_ARRAY else ADJOINING.sub(b"}\n,", text))
    try:
        if not decoders.singly:
            try:
                return with_plausible_arrival(decoders.shape.rows(decoders.shape.items.decode(array)))
            except (ValueError, RecursionError):
                pass
        decoders.singly = False
        return with_plausible_arrival([row for raw in _raw_list.decode(array) for row in decoders.rows_of(raw)])
    except (ValueError, RecursionError):
        pass
    if separator is ADJOINING:
        values = list(decoded_values(text))
        if not values:
            raise ValueError("no JSON value")
        return with_plausible_arrival(list(items_of(values)))
    try:
        return with_plausible_arrival(rows_of_pieces(text, decoders))
    except (ValueError, RecursionError):
        return with_plausible_arrival(list(items_of(decoded(array))))


def rows_of_pieces(text: bytes, decoders: Decoders) -> list[Row]:
    """Return the rows of an array of which an object is too odd for all to be decoded at once, else `ValueError`."""
    *pieces, last = IN_ARRAY.split(text)
    return [row for piece in (*(piece + b"}" for piece in pieces), last) for row in decoders.rows_of(piece)]


def arrived(rows: list[Any], received: int) -> list[Any]:
    """Give the rows of a stored batch the time (milliseconds) at which it arrived."""
    arrival = arrival_or_none(received)
    for row in rows:
        if isinstance(row, Item):
            row.received = arrival
    return rows
