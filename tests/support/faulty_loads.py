"""Loads impressions in three requests, of which one may meet a fault."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from support.amplitude_target import Loaded, load
from support.impressions import impression, messages
from support.sandbox import Sandbox

RECORDS = 4500
# Requests of 2,000, 2,000 and 500 events: a fault after 1 hits the middle, after 2 the last flush.
MIDDLE, LAST = 1, 2
HTML = "<html><head><title>502 Bad Gateway</title></head></html>"
AT_ONCE = {"Retry-After": "0"}

at_each_place = pytest.mark.parametrize("skip", [MIDDLE, LAST], ids=["middle", "last"])


def load_impressions(config: dict[str, Any], **changes: Any) -> Loaded:
    settings = config | {"max_parallel_requests": 1} | changes
    return load(settings, messages((impression(number) for number in range(RECORDS)), every=500))


def assert_all_arrived(loaded: Loaded, sandbox: Sandbox, rejected: int = 0) -> None:
    """All is there once, except what was rejected; STATE says that all is done."""
    assert loaded.error == ""
    ids = [event["insert_id"] for event in sandbox.amplitude_events()]
    assert len(ids) == len(set(ids)) == RECORDS - rejected
    assert loaded.state == {"read": RECORDS}
    assert loaded.counts["records_sent"] == RECORDS - rejected
    assert loaded.counts["records_rejected"] == rejected


def rejects(config: dict[str, Any]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in Path(config["rejects_path"]).read_text("utf-8").splitlines()]
