"""Takes ids through the ledger as requests do: `ledger.py FOLDER COUNT`.

They are sifted, written down as posted, written down as accepted. Prints how long an id takes, for each million, and
how large the ledger and its write-ahead log are.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

from target_split.ledger.event_id import EventIds
from target_split.ledger.sqlite_ledger import SQLiteLedger

PER_REQUEST = 2_000  # ends with each million
# Events come in order of time, as exports do: 100 a second.
START_MS, MILLISECONDS_APART = 1_773_446_400_000, 10
MILLION = 1_000_000

folder, count = Path(sys.argv[1]), int(sys.argv[2])
path = folder / "ledger-alone.sqlite"
path.unlink(missing_ok=True)
ledger = SQLiteLedger(str(path), 14, skip_ambiguous=False)
ids = EventIds(["host"], "events")
seconds, largest_log = 0.0, 0
for start in range(0, count, PER_REQUEST):
    numbers = range(start, min(start + PER_REQUEST, count))
    some = [ids.of(str(number).encode(), START_MS + number * MILLISECONDS_APART) for number in numbers]
    began = time.process_time()
    ledger.sift(some)
    ledger.accepted(ledger.posting("events", some), some)
    seconds += time.process_time() - began
    largest_log = max(largest_log, Path(f"{path}-wal").stat().st_size)
    done = numbers[-1] + 1
    if done % MILLION == 0 or done == count:
        print(f"{done:,} ids: {seconds / ((done - 1) % MILLION + 1) * 1e6:.2f} µs an id", file=sys.stderr)
        seconds = 0.0
ledger.close()
print(f"{path.stat().st_size / 1e6:.0f} MB, write-ahead log {largest_log / 1e6:.0f} MB", file=sys.stderr)
