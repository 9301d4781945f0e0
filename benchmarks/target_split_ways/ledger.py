"""Takes ids through the ledger as requests do: `ledger.py FOLDER COUNT`.

They are sifted, written down as posted, written down as accepted.
"""

from __future__ import annotations

import sys
from pathlib import Path

from target_split.events.event_id import EventIds
from target_split.events.ledger import Ledger

PER_REQUEST = 1_400

folder, count = Path(sys.argv[1]), int(sys.argv[2])
path = folder / "ledger-alone.sqlite"
path.unlink(missing_ok=True)
ledger = Ledger(str(path), 14, skip_unknown=False)
ids = EventIds(["host"], "events")
for start in range(0, count, PER_REQUEST):
    some = [ids.of(str(number).encode()) for number in range(start, min(start + PER_REQUEST, count))]
    ledger.sift(some)
    ledger.accepted(ledger.posting("events", some), some)
ledger.close()
