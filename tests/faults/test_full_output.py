"""Standard output on a full disk: one sentence, and the next run goes on from the last state that was kept."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from support.processes import Workplace
from support.receiver import posted
from support.sandbox import Sandbox

FULL = Path("/dev/full")

pytestmark = pytest.mark.skipif(not FULL.exists(), reason="a full device is Linux's")


def run(workplace: Workplace, plugin: str, config: dict[str, Any], lines: str = "") -> tuple[str, int]:
    with FULL.open("w") as output:
        process = workplace.start(workplace.command(plugin, config), stdout=output)
        return process.communicate(lines)[1], process.returncode


@pytest.mark.parametrize(
    ("plugin", "settings"),
    [
        ("target-amplitude", {"api_key": "test-api-key"}),
        ("target-split", {"sdk_api_key": "test-sdk-key"}),
    ],
)
def test_a_state_that_cannot_be_written_fails_the_run(
    workplace: Workplace, sandbox: Sandbox, plugin: str, settings: dict[str, Any]
) -> None:
    place = "api_url" if plugin == "target-amplitude" else "events_url"
    lines = json.dumps({"type": "STATE", "value": {"read": 1}}) + "\n"
    said, code = run(workplace, plugin, settings | {place: sandbox.url}, lines)
    check(said, code)


def test_messages_that_cannot_be_written_fail_the_run(workplace: Workplace) -> None:
    workplace.file("impressions/a.jsonl", json.dumps(posted(1)))
    config = {"path": str(workplace.folder / "impressions"), "settle_seconds": 0}
    check(*run(workplace, "tap-split-impressions", config))


def test_messages_of_tap_amplitude_that_cannot_be_written_fail_the_run(workplace: Workplace, sandbox: Sandbox) -> None:
    keys = {"api_key": "test-api-key", "secret_key": "test-secret-key"}
    check(*run(workplace, "tap-amplitude", keys | {"api_url": sandbox.url, "start_date": "2026-01-01"}))


def check(said: str, code: int) -> None:
    assert code == 1
    assert "Traceback" not in said
    assert "Standard output cannot be written: No space left on device." in said
