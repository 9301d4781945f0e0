"""Takes ids through the ledger as requests do: `ledger.py FOLDER COUNT`.

They are sifted, written down as posted, written down as accepted.
"""

from __future__ import annotations

import sys
from pathlib import Path

from target_split.events.event_id import EventIds
from target_split.events.sqlite_ledger import SQLiteLedger

PER_REQUEST = 1_400
# Events come in order of time, as exports do: 100 a second.
START_MS, MILLISECONDS_APART = 1_773_446_400_000, 10

folder, count = Path(sys.argv[1]), int(sys.argv[2])
path = folder / "ledger-alone.sqlite"
path.unlink(missing_ok=True)
ledger = SQLiteLedger(str(path), 14, skip_ambiguous=False)
ids = EventIds(["host"], "events")
for start in range(0, count, PER_REQUEST):
    some = [
        ids.of(str(number).encode(), START_MS + number * MILLISECONDS_APART)
        for number in range(start, min(start + PER_REQUEST, count))
    ]
    ledger.sift(some)
    ledger.accepted(ledger.posting("events", some), some)
ledger.close()
