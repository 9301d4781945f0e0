"""Writes the lines that tap-split-impressions emits: `make_lines.py FILE RECORDS`.

A program of its own, so that the measuring process stays small: its memory would show in the figures of the processes
that it starts.
"""

from __future__ import annotations

import sys
from pathlib import Path

from benchmarks.data import singer_lines, webhook_impressions
from benchmarks.tap_split_impressions_ways.floor import record_of
from tap_split_impressions.streams.impressions import ImpressionsStream

RECEIVED = 1_773_475_260_000

records = (record_of(row, RECEIVED) for row in webhook_impressions(int(sys.argv[2])))
with Path(sys.argv[1]).open("wb") as file:
    file.writelines(singer_lines("impressions", ImpressionsStream.schema, ["impression_id"], records))
