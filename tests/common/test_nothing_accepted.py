"""A run in which nothing was accepted and something was refused has failed; filters that let nothing pass are said."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from support.amplitude import event, events_messages
from support.amplitude_target import load
from support.impressions import impression, messages
from support.processes import Workplace
from support.sandbox import Sandbox

COUNT = 5
USER = {"user_id": "bucketing_key"}

# What is wrong: settings, columns of every record, the reason that is said, and whether the records are kept.
AMPLITUDE = {
    "schema": ({}, {"time": 12}, "breaks 'type'", True),
    "forbidden ids": ({}, {"key": "anonymous"}, "refused", True),
    "short ids": ({"min_id_length": 40}, {}, "refused", True),
    "times": ({}, {"time": "yesterday"}, "time", True),
    "null keys": ({}, {"key": None}, "no key", False),
    "blank keys": ({}, {"key": "  "}, "no key", False),
    "key path": ({"mappings": {"impressions": USER}}, {}, "no ", False),
    "key column": ({"user_id": "bucketing_key", "identity": {"*": "user_id"}}, {"key": None}, "no ", False),
}
FILTERED = {
    "filter": ({"mappings": {"impressions": {"filter": {"treatment": ["nothing"]}}}}, {}),
    "stream map": ({"stream_maps": {"impressions": {"__filter__": "treatment == 'nothing'"}}}, {}),
    "control": ({"load_as": "exposure"}, {"treatment": "control"}),
}


@pytest.mark.parametrize("way", AMPLITUDE)
def test_target_amplitude_fails(way: str, config: dict[str, Any], sandbox: Sandbox) -> None:
    settings, changes, reason, is_kept = AMPLITUDE[way]
    loaded = load(config | settings, messages([impression(n, **changes) for n in range(COUNT)]))
    assert "No record was accepted: 5 were refused" in loaded.error
    assert reason in loaded.error
    assert sandbox.amplitude_events() == []
    rejects = Path(config["rejects_path"])
    assert (len(rejects.read_text().splitlines()) if rejects.exists() else 0) == (COUNT if is_kept else 0)
    # What is kept can be replayed; what was skipped for want of a setting must be read again.
    assert loaded.state == ({"read": COUNT} if is_kept else None)
    assert ("Fix the cause and run again." in loaded.error) is not is_kept


@pytest.mark.parametrize("way", FILTERED)
def test_filters_that_let_nothing_pass_are_said_loudly(way: str, config: dict[str, Any], workplace: Workplace) -> None:
    settings, changes = FILTERED[way]
    records = [impression(n, **changes) for n in range(COUNT)]
    result = workplace.run("target-amplitude", config | settings, messages=messages(records))
    assert result.code == 0, result.stderr
    assert "No record was sent: all 5 were skipped" in result.stderr
    assert "WARNING" in next(line for line in result.stderr.splitlines() if "No record was sent" in line)
    assert result.state == {"read": COUNT}


SPLIT = {
    "schema": ({}, {"platform": 7}, "breaks 'type'"),
    "times": ({}, {"event_time": "yesterday"}, "time"),
    "null ids": ({}, {"uuid": None}, "id"),
    "null keys": ({}, {"user_id": None}, "no key"),
    "key path": ({"key": ["city"]}, {}, "no key"),
    "over-long keys": ({}, {"user_id": "x" * 251}, "250"),
}


@pytest.mark.parametrize("way", SPLIT)
def test_target_split_fails(way: str, workplace: Workplace, sandbox: Sandbox) -> None:
    settings, changes, reason = SPLIT[way]
    config = {
        "sdk_api_key": "test-sdk-key",
        "events_url": sandbox.url,
        "ledger_path": str(workplace.folder / "ledger.sqlite"),
        **settings,
    }
    result = workplace.run(
        "target-split", config, messages=events_messages([event(n, **changes) for n in range(COUNT)])
    )
    assert result.code == 1, result.stderr
    (said,) = [line for line in result.stderr.splitlines() if "No record was accepted" in line]
    assert reason in said
    assert sandbox.split_events() == []


def test_one_that_is_accepted_is_enough(config: dict[str, Any], sandbox: Sandbox) -> None:
    loaded = load(config, messages([impression(0), *(impression(n, key=None) for n in range(1, 5))]))
    assert (loaded.error, loaded.state) == ("", {"read": 5})


def test_a_repeated_run_is_not_a_failure(workplace: Workplace, sandbox: Sandbox) -> None:
    """What the ledger knows was accepted, if not now."""
    config = {
        "sdk_api_key": "test-sdk-key",
        "events_url": sandbox.url,
        "ledger_path": str(workplace.folder / "ledger.sqlite"),
    }
    records = [event(0), event(1, event_time="yesterday")]
    for _ in range(2):
        result = workplace.run("target-split", config, messages=events_messages(records))
        assert result.code == 0, result.stderr
    kept = (workplace.folder / "target-split-rejects.jsonl").read_text().splitlines()
    assert [json.loads(line)["record"]["uuid"] for line in kept] == [records[1]["uuid"]] * 2
