"""Events that target-amplitude made of Split's data do not come back to Split."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from support.amplitude import EVENT_SCHEMA, TEXT, event, events_messages
from support.processes import Result
from support.sandbox import Sandbox
from target_split.events.converter import is_own_event

Config = dict[str, Any]
SCHEMA = {**EVENT_SCHEMA, "properties": {**EVENT_SCHEMA["properties"], "library": TEXT}}


@pytest.mark.parametrize(
    ("event_type", "library", "is_own"),
    [
        ("get_treatment", "target-amplitude/0.1.0", True),
        ("Checkout", "target-amplitude/0.1.0", True),
        ("get_treatment", "http/2.0", True),
        ("get_treatment", None, True),
        ("[Experiment] Exposure", "http/2.0", True),
        ("$exposure", "", True),
        ("[Experiment] Exposure", "amplitude-ts/2.11.0", False),
        ("[Experiment] Exposure", "experiment-js-client/1.0", False),
        ("Checkout", "http/2.0", False),
        ("Checkout", None, False),
        (None, None, False),
    ],
)
def test_what_is_ours(event_type: str | None, library: str | None, is_own: bool):
    assert is_own_event({"event_type": event_type, "library": library}) is is_own


def rows() -> list[dict[str, Any]]:
    library = {"library": "target-amplitude/0.1.0"}
    return [
        event(0, library="http/2.0"),
        event(1, event_type="get_treatment", **library),
        event(2, event_type="[Experiment] Exposure", library="http/2.0"),
        event(3, event_type="Test event", **library),
        event(4, library="amplitude-ts/2.11.0"),
    ]


def test_own_events_are_skipped_and_counted(config: Config, run_here: Callable[..., Result], sandbox: Sandbox):
    result = run_here(config, events_messages(rows(), schema=SCHEMA))
    assert result.code == 0, result.stderr
    assert [one["key"] for one in sandbox.split_events()] == ["user-0000", "user-0004"]
    assert result.metrics["records_skipped"] == 3
    assert "3 own event" in result.stderr


def test_own_events_are_sent_when_so_set(config: Config, run_here: Callable[..., Result], sandbox: Sandbox):
    assert run_here(config | {"skip_own_events": False}, events_messages(rows(), schema=SCHEMA)).code == 0
    assert len(sandbox.split_events()) == 5


def test_other_streams_have_no_own_events(config: Config, run_here: Callable[..., Result], sandbox: Sandbox):
    config["mappings"] = {"calls": {"event_type": {"field": "event_type"}, "time": "at", "key": "user"}}
    schema = {"schema": {"properties": {name: {} for name in ("id", "event_type", "at", "user")}}}
    row = {"id": 1, "event_type": "get_treatment", "at": 1773480413, "user": "u1"}
    messages = events_messages([row], "calls", **schema, key_properties=["id"])
    assert run_here(config, messages).code == 0
    assert len(sandbox.split_events()) == 1
