"""JSON: the receiver's files, lines of any payload, and whole documents."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import msgspec

from tap_split_impressions.common.lenient_json import decoded
from tap_split_impressions.folder.readers import BUFFER_BYTES, DamagedFileError, Row
from tap_split_impressions.impressions.item import Item, NotAnImpression, items_of, with_plausible_arrival
from tap_split_impressions.impressions.times import moment_or_none


class StoredBatch(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    """A line of a receiver's file when it holds a batch of the webhook: when it came, and its body as it came."""

    received: int
    batch: list[Item]


class AnyBatch(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    """A line of a receiver's file, whatever the payload."""

    received: int
    batch: Any


STORED_BEGINNING = b'{"received":'

_stored = msgspec.json.Decoder(StoredBatch)
_any_stored = msgspec.json.Decoder(AnyBatch)
_item = msgspec.json.Decoder(Item)

NO_JSON = "no JSON"


def read_lines(stream: io.BufferedReader) -> Iterator[list[Row]]:
    """Yield the rows of JSON lines; each line may hold one impression or a payload of many."""
    while lines := stream.readlines(BUFFER_BYTES):
        # The usual case, all lines alike, is decoded in one go.
        text = b"".join(lines)
        try:
            if not text.startswith(STORED_BEGINNING):
                yield with_plausible_arrival(_item.decode_lines(text))
                continue
            batches = _stored.decode_lines(text)
        except (ValueError, RecursionError):
            for line in lines:
                if line.strip():
                    yield rows_of_line(line)
            continue
        for batch in batches:
            yield received(batch.batch, batch.received)


def rows_of_line(line: bytes) -> list[Row]:
    """Return the rows of one line of any shape."""
    try:
        if line.startswith(STORED_BEGINNING):
            stored = _any_stored.decode(line)
            return received(list(items_of(stored.batch)), stored.received)
        return list(items_of(decoded(line)))
    except (ValueError, RecursionError):
        return [NotAnImpression(NO_JSON if line.endswith(b"\n") else "a line cut at the end of the file")]


def received(rows: list[Any], moment: int) -> list[Any]:
    """Give the rows of a stored batch the time (milliseconds) at which it came."""
    arrival = moment_or_none(moment)
    for row in rows:
        if isinstance(row, Item):
            row.received = arrival
    return rows


def read_document(stream: io.BufferedReader) -> Iterator[list[Row]]:
    """Yield the rows of a file that is one JSON value, or lines of JSON under the wrong name."""
    first = stream.readline()
    rest = stream.peek(1)
    try:
        decoded(first)
    except (ValueError, RecursionError):
        pass
    else:
        yield rows_of_line(first)
        if rest:
            yield from read_lines(stream)
        return
    text = first + stream.read()
    if not text.strip():
        return
    try:
        yield list(items_of(decoded(text)))
    except (ValueError, RecursionError):
        raise DamagedFileError("is no complete JSON") from None
