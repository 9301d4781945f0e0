"""Posts single requests as Amplitude does, over four connections: `post.py URL RECORDS FIGURES KIND`.

KIND is `events` or `messages`. Appends to FIGURES the time in milliseconds within which 99 of 100 got their 200.
"""

from __future__ import annotations

import http.client
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from benchmarks.data import export_rows

CONNECTIONS, DISTINCT = 4, 100

url, records, figures, kind = urlsplit(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]), sys.argv[4]
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


def send(requests: int) -> list[float]:
    """Post so many bodies over one connection; return the seconds each took."""
    connection = http.client.HTTPConnection(url.hostname or "", url.port)
    seconds = []
    for number in range(requests):
        started = time.perf_counter()
        connection.request("POST", "/", bodies[number % DISTINCT])
        answer = connection.getresponse()
        answer.read()
        seconds.append(time.perf_counter() - started)
        if answer.status != 200:
            raise SystemExit(f"the receiver answered {answer.status}")
    return seconds


with ThreadPoolExecutor(CONNECTIONS) as pool:
    waits = sorted(wait for sent in pool.map(send, [records // CONNECTIONS] * CONNECTIONS) for wait in sent)
with figures.open("a") as file:
    file.write(f"{1000 * waits[len(waits) * 99 // 100]:.1f}\n")
