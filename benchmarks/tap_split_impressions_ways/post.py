"""Posts batches over several connections at once: `post.py URL RECORDS FIGURES BATCH CONNECTIONS`.

Appends to the file FIGURES the time in milliseconds within which 99 of 100 batches got their 200.
"""

from __future__ import annotations

import gzip
import json
import sys
from itertools import islice
from pathlib import Path

from benchmarks.data import webhook_impressions
from benchmarks.posting import note, post

DISTINCT = 50

url, records, figures = sys.argv[1], int(sys.argv[2]), Path(sys.argv[3])
BATCH, CONNECTIONS = int(sys.argv[4]), int(sys.argv[5])
rows = webhook_impressions(BATCH * DISTINCT)
bodies = [gzip.compress(json.dumps(list(islice(rows, BATCH))).encode(), 1) for _ in range(DISTINCT)]
note(figures, post(url, bodies, records // BATCH, CONNECTIONS))
