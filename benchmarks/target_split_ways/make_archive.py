"""Writes an archive of rows that are all different, as the ledger drops repeated ones: `make_archive FILE RECORDS`.

A program of its own, so that the measuring process stays small: its memory would show in what it starts.
"""

from __future__ import annotations

import sys
from pathlib import Path

from benchmarks.data import export_rows, write_archive

write_archive(Path(sys.argv[1]), export_rows(int(sys.argv[2]), hours=24))
