"""Amplitude's events reach Split, and a cohort becomes a segment."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from support.amplitude import START_MS, event, events_messages, members, members_messages
from support.processes import Workplace
from support.sandbox import Sandbox

Config = dict[str, Any]


def test_events(config: Config, workplace: Workplace, sandbox: Sandbox):
    records = [event(n) for n in range(25)]
    result = workplace.run("target-split", config, messages=events_messages(records))
    assert result.code == 0, result.stderr
    assert result.state == {"read": 25}
    sent = sorted(sandbox.split_events(), key=lambda one: one["timestamp"])
    assert [one["key"] for one in sent] == [record["user_id"] for record in records]
    assert sent[1] == {
        "eventTypeId": "amp.Amplitude_Page_Viewed",
        "trafficTypeName": "user",
        "key": "user-0001",
        "timestamp": START_MS + 1000,
        "properties": {
            "event_properties.path": "/cart",
            "event_properties.cart.total": 41.9,
            "event_properties.cart.items": 3,
            "event_properties.tags": '["été","web"]',
            "platform": "iOS",
            "country": "Japan",
            "version_name": "4.2.0",
        },
        "environmentName": "Production",
    }
    assert result.metrics["records_sent"] == 25
    size = Path(config["ledger_path"]).stat().st_size
    assert re.search(rf"The ledger has {size:,} bytes, its write-ahead log [\d,]+\.", result.stderr)


def test_the_same_events_again_are_not_posted(config: Config, workplace: Workplace, sandbox: Sandbox):
    messages = events_messages(event(n) for n in range(25))
    workplace.run("target-split", config, messages=messages)
    again = workplace.run("target-split", config, messages=messages)
    assert again.code == 0, again.stderr
    assert again.state == {"read": 25}
    assert again.metrics["records_deduplicated"] == 25
    assert len(sandbox.split_events()) == 25


def test_without_a_ledger_events_go_again_and_the_log_says_so(config: Config, workplace: Workplace, sandbox: Sandbox):
    del config["ledger_path"]
    messages = events_messages([event()])
    for _ in range(2):
        result = workplace.run("target-split", config, messages=messages)
    assert len(sandbox.split_events()) == 2
    assert "ledger_path" in result.stderr


def test_a_cohort_becomes_a_segment_and_follows_it(config: Config, workplace: Workplace, sandbox: Sandbox):
    first = workplace.run("target-split", config, messages=members_messages(members(30)))
    assert first.code == 0, first.stderr
    assert first.state == {"read": 30}
    [segment] = sandbox.split_segments()
    assert segment["name"] == "amp_Power_users"
    assert segment["environment_name"] == "Production"
    assert segment["traffic_type"] == "user"
    assert segment["keys"] == [f"user-{n:04}" for n in range(30)]
    assert first.metrics["records_sent"] == 30

    fewer = members(20)
    second = workplace.run("target-split", config, messages=members_messages(fewer))
    assert second.code == 0, second.stderr
    assert sandbox.split_segments()[0]["keys"] == [row["user_id"] for row in fewer]
    assert second.metrics["records_sent"] == 10  # keys removed

    writes = [request for request in sandbox.requests() if request["method"] != "GET"]
    third = workplace.run("target-split", config, messages=members_messages(fewer))
    assert third.metrics["records_sent"] == 0
    assert [request for request in sandbox.requests() if request["method"] != "GET"] == writes
