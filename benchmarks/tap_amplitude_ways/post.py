"""Posts single requests as Amplitude does, over four connections: `post.py URL RECORDS FIGURES KIND`.

KIND is `events` or `messages`. Appends to FIGURES the time in milliseconds within which 99 of 100 got their 200.
"""

from __future__ import annotations

import sys
from pathlib import Path

import msgspec

from benchmarks.data import export_rows
from benchmarks.posting import note, post

CONNECTIONS, DISTINCT = 4, 100

url, records, figures, kind = sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]), sys.argv[4]
messages = [
    {
        "cohort_name": "Power users",
        "cohort_id": "7khm89cz",
        "in_cohort": True,
        "computed_time": "1773480413",
        "message_id": f"9baaa88f-9d46-4ee5-a946-be0c6aea0046::enter::{number}",
        "users": [{"user_id": f"user-{number:06}"}],
    }
    for number in range(DISTINCT)
]
bodies = [msgspec.json.encode(body) for body in (export_rows(DISTINCT) if kind == "events" else messages)]
note(figures, post(url, bodies, records, CONNECTIONS))
