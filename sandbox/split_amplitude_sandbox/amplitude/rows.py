"""Rows as Amplitude gives them out, read from the store.

Sources: https://amplitude.com/docs/apis/analytics/export and https://amplitude.com/docs/data/destination-catalog/amazon-s3,
for the names of files.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import msgspec

from split_amplitude_sandbox.amplitude.export_row import PROJECT_ID, Stored, export_row
from split_amplitude_sandbox.clock import MILLISECONDS_PER_HOUR, from_ms
from split_amplitude_sandbox.store import Store

COLUMNS = (
    "number, exported_row, uuid, event, path, amplitude_id, event_type, upload_ms, client_upload_ms, event_ms,"
    " session_id, user_properties, user_created_ms"
)
SELECT = (
    f"SELECT export_hour, {COLUMNS} FROM amplitude_events"  # noqa: S608 - no values in it
    " WHERE export_hour IS NOT NULL AND number > ? ORDER BY number LIMIT ?"
)
PAGE_ROWS = 1000
PARTITION_STEP, PARTITIONS = 417, 100_003
"""Partitions of an hour are numbered neither in sequence nor completely, as Amplitude's are."""


class Row(NamedTuple):
    """An exported row: its number in the order of arrival, its hour since the epoch, its members."""

    number: int
    hour: int
    row: dict[str, Any]


def pages(store: Store, after: int) -> Iterator[list[Row]]:
    """Pages of all rows whose number is greater than `after`, in the order in which their events came in."""
    while page := store.database.execute(SELECT, (after, PAGE_ROWS)).fetchall():
        after = page[-1][1]
        yield [Row(columns[0], hour, msgspec.json.decode(encoded(columns))) for hour, *columns in page]


def encoded(columns: Sequence[Any]) -> bytes:
    """The JSON text of a row from `COLUMNS`; planted rows stay as they are."""
    _, given, *stored = columns
    return given if given is not None else msgspec.json.encode(export_row(Stored(*stored)), order="sorted")


def file_name(hour: int, part: int) -> str:
    """The name of one file of an hour since the epoch; the hour of the day is not padded."""
    moment = from_ms(hour * MILLISECONDS_PER_HOUR)
    return f"{PROJECT_ID}_{moment:%Y-%m-%d}_{moment.hour}#{part * PARTITION_STEP % PARTITIONS}.json.gz"
