"""Writes Singer lines of one shape: `make_lines.py FILE RECORDS SHAPE`.

Shapes: impressions as tap-split-impressions emits them (`usual`), of 20,000 users (`few users`), or with something odd
in every one (`half a surrogate pair`, `long text`, `not a number`); events as tap-amplitude emits them (`exported`).

A program of its own, so that the measuring process stays small: its memory would show in the figures of the processes
that it starts.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from benchmarks.data import singer_lines, webhook_impressions
from benchmarks.tap_split_impressions_ways.floor import record_of
from benchmarks.target_split import events_schema, rows
from tap_split_impressions.streams.impressions import ImpressionsStream

RECEIVED = 1_773_475_260_000
FEW_USERS = 20_000
LONG = "x" * 1_500


def impressions(count: int, change: Callable[[dict[str, Any], int], object]) -> Iterator[dict[str, Any]]:
    """Yield impressions, each changed."""
    for number, row in enumerate(webhook_impressions(count)):
        record = record_of(row, RECEIVED)
        change(record, number)
        yield record


CHANGES: dict[str, Callable[[dict[str, Any], int], object]] = {
    "usual": lambda record, number: None,
    "few users": lambda record, number: record.update(key=f"user-{number * 7919 % FEW_USERS:06}"),
    "half a surrogate pair": lambda record, number: record.update(properties={"title": "MARK"}),
    "long text": lambda record, number: record.update(properties={"title": LONG}),
    "not a number": lambda record, number: record.update(properties={"score": "MARK"}),
}
# What strict JSON cannot write, but Python's own writer does.
MARKS = {"half a surrogate pair": rb'"\ud83d"', "not a number": b"NaN"}

path, count, shape = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
if shape == "exported":  # but for types that Amplitude takes from nobody
    sendable = (row | {"event_type": row["event_type"].replace("[Amplitude] ", "")} for row in rows(count))
    lines = singer_lines("events", events_schema(), ["uuid"], sendable)
else:
    records = impressions(count, CHANGES[shape])
    lines = singer_lines("impressions", ImpressionsStream.schema, ["impression_id"], records)
with path.open("wb") as file:
    file.writelines(line.replace(b'"MARK"', MARKS.get(shape, b'"MARK"')) for line in lines)
