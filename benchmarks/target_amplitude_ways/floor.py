"""The least that must be done: decode the lines, make the events, compress, post. `floor.py URL [exported] < input`.

No validation, no limits, no retries, no order of STATE: the time that the same libraries need for the same requests.
"""

from __future__ import annotations

import gzip
import sys

import msgspec
import requests

from benchmarks.target_amplitude_ways.floor_events import event_of, event_of_exported

EVENTS = 2000
HEAD, TAIL = b'{"api_key":"bench","options":{"min_id_length":1},"events":[', b"]}"

decode, encode = msgspec.json.Decoder().decode, msgspec.json.Encoder().encode
session = requests.Session()
make = event_of_exported if sys.argv[2:] == ["exported"] else event_of


def post(events: list[bytes]) -> None:
    """Send one request."""
    body = gzip.compress(HEAD + b",".join(events) + TAIL, 1)
    headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
    session.post(f"{sys.argv[1]}/batch", body, headers=headers, timeout=60).raise_for_status()


events: list[bytes] = []
for line in sys.stdin.buffer:
    message = decode(line)
    if message["type"] == "RECORD":
        events.append(encode(make(message["record"])))
        if len(events) == EVENTS:
            post(events)
            events = []
post(events)
