"""Writes an archive of one day.

A program of its own, so that the measuring process stays small: its memory would show in the figures of the processes
that it starts.
"""

from __future__ import annotations

import gzip
import json
import sys
import zipfile
from typing import Any

import msgspec

from benchmarks.data import START, export_rows
from benchmarks.tap_amplitude_ways.shapes import SHAPES

DISTINCT_ROWS = 5_000
HOURS = 24

path, records, shape = sys.argv[1], int(sys.argv[2]), SHAPES[sys.argv[3]]
encode = msgspec.json.Encoder().encode


def line_of(row: dict[str, Any]) -> bytes:
    """Encode a row; the standard library also writes what no strict encoder does."""
    try:
        return encode(row) + b"\n"
    except UnicodeEncodeError:
        return json.dumps(row).encode() + b"\n"


rows = [line_of(shape(row, number)) for number, row in enumerate(export_rows(min(records, DISTINCT_ROWS)))]
per_entry = max(1, records // HOURS)
with zipfile.ZipFile(path, "w") as archive:
    for entry in range(-(-records // per_entry)):
        first = entry * per_entry
        lines = (rows[number % len(rows)] for number in range(first, min(first + per_entry, records)))
        name = f"100042/100042_{START:%Y-%m-%d}_{entry % HOURS}#{entry}.json.gz"
        archive.writestr(name, gzip.compress(b"".join(lines), 6))
