"""Files of messages as taps in the field write them; tests/samples/README.md says where each kind comes from."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from support.amplitude_target import Loaded, load
from support.sandbox import Sandbox

SAMPLES = Path(__file__).parents[1] / "samples"
NAMES = sorted(path.stem for path in SAMPLES.glob("*.singer"))
MEMBERS = {"state", "events", "config", "rejected", "error", "warning", "properties", "keys", "absent", "times"}
MAPPINGS = {"orders": {"event_type": "Order", "user_id": "user", "time": "at", "event_properties": {"exclude": []}}}


def run(name: str, config: dict[str, Any], expected: dict[str, Any]) -> Loaded:
    text = (SAMPLES / f"{name}.singer").read_text("utf-8").replace("FILES/", (SAMPLES / "files").as_uri() + "/")
    settings = {"mappings": MAPPINGS, "max_reject_share": 1, **config, **expected.get("config", {})}
    return load(settings, text.splitlines())


@pytest.mark.parametrize("name", NAMES)
def test_a_sample_gives_what_is_right(name: str, config: dict[str, Any], sandbox: Sandbox) -> None:
    expected = json.loads((SAMPLES / f"{name}.json").read_text("utf-8"))
    assert expected.keys() <= MEMBERS
    loaded = run(name, config, expected)
    assert expected.get("error", "") in loaded.error
    assert bool(loaded.error) == ("error" in expected), loaded.error
    assert loaded.state == expected["state"]
    events = sorted(sandbox.amplitude_events(), key=lambda event: event["time"])
    assert len(events) == expected["events"]
    assert expected.get("warning", "") in "\n".join(loaded.warnings)
    rejected = {why: n for (metric, why), n in loaded.reasons.items() if metric == "records_rejected"}
    assert rejected == expected.get("rejected", {})
    for column, values in expected.get("properties", {}).items():
        assert [event["event_properties"][column] for event in events] == values
    for column in expected.get("absent", ()):
        assert [column in event["event_properties"] for event in events] == [False] * expected["events"] != []
    for key, values in expected.get("keys", {}).items():
        assert [event[key] for event in events] == values
    if "times" in expected:
        assert [event["time"] for event in events] == expected["times"]


def test_every_sample_is_told_of() -> None:
    told = re.findall(r"`([a-z0-9-]+)`", (SAMPLES / "README.md").read_text("utf-8"))
    assert len(NAMES) > 40
    assert set(NAMES) <= set(told)
