"""Posts batches over several connections at once: `post.py URL RECORDS FIGURES BATCH CONNECTIONS`.

Appends to the file FIGURES the time in milliseconds within which 99 of 100 batches got their 200.
"""

from __future__ import annotations

import gzip
import http.client
import json
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from urllib.parse import urlsplit

from benchmarks.data import webhook_impressions

DISTINCT = 50

url, records, figures = urlsplit(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3])
BATCH, CONNECTIONS = int(sys.argv[4]), int(sys.argv[5])
rows = webhook_impressions(BATCH * DISTINCT)
bodies = [gzip.compress(json.dumps(list(islice(rows, BATCH))).encode(), 1) for _ in range(DISTINCT)]


def send(batches: int) -> list[float]:
    """Post so many batches over one connection; return the seconds each took."""
    connection = http.client.HTTPConnection(url.hostname or "", url.port)
    seconds = []
    for number in range(batches):
        started = time.perf_counter()
        connection.request("POST", "/", bodies[number % DISTINCT])
        answer = connection.getresponse()
        answer.read()
        seconds.append(time.perf_counter() - started)
        if answer.status != 200:
            raise SystemExit(f"the receiver answered {answer.status}")
    return seconds


with ThreadPoolExecutor(CONNECTIONS) as pool:
    waits = sorted(wait for sent in pool.map(send, [records // BATCH // CONNECTIONS] * CONNECTIONS) for wait in sent)
with figures.open("a") as file:
    file.write(f"{1000 * waits[len(waits) * 99 // 100]:.1f}\n")
