"""The impression listener with Split's own Python SDK, offline."""

from __future__ import annotations

import json
import multiprocessing
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from support.receiver import Run, posted
from support.waiting import await_true
from tap_split_impressions import listener as module
from tap_split_impressions.listener import FolderListener

FLAGS = """
- checkout_redesign:
    treatment: "on"
    keys: ["user-1", "user-2"]
- checkout_redesign:
    treatment: "off"
"""

APPLICATION = """
import sys
from splitio import get_factory
from splitio.client.factory import _wrap_impression_listener
from splitio.client.util import get_metadata
from tap_split_impressions.listener import FolderListener

folder, flags = sys.argv[1:]
listener = FolderListener(folder, environment_id="env-dev", environment_name="Development")
config = {"splitFile": flags, "impressionListener": listener, "machineName": "web-1", "machineIp": "10.2.4.19"}
factory = get_factory("localhost", config=config)
# The SDK wraps and calls the listener in all modes but this one, so here the test does what its other factories do.
factory._recorder._listener = _wrap_impression_listener(listener, get_metadata(config))
factory.block_until_ready(5)
client = factory.client()
answers = [client.get_treatment(key, "checkout_redesign") for key in ("user-1", "user-2", "user-3")]
answers += client.get_treatments("user-4", ["checkout_redesign"]).values()
print(",".join(answers))
"""


def test_every_evaluation_of_the_sdk_is_in_the_folder(folder: Path, tmp_path: Path, run: Run) -> None:
    flags = tmp_path / "flags.yaml"
    flags.write_text(FLAGS)
    # A process of its own: its end is part of what is tested.
    command = [sys.executable, "-c", APPLICATION, str(folder), str(flags)]
    answer = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert answer.stdout == "on,on,off,off\n", answer.stderr
    records = run().records("impressions")
    assert [(record["key"], record["treatment"]) for record in records] == [
        ("user-1", "on"),
        ("user-2", "on"),
        ("user-3", "off"),
        ("user-4", "off"),
    ]
    (first, *_) = records
    assert first["split"] == "checkout_redesign"
    assert (first["environment_id"], first["environment_name"]) == ("env-dev", "Development")
    assert (first["sdk"], first["sdk_version"].count(".")) == ("python", 2)


def evaluated(number: int, **changes: Any) -> dict[str, Any]:
    """What the SDK hands to a listener, the same impression as `posted(number)`."""
    impression = SimpleNamespace(
        matching_key=f"user-{number:06}",
        feature_name="checkout_redesign",
        treatment="on",
        label="default rule",
        change_number=1767000000456,
        bucketing_key=None,
        time=1767261600000 + number,
        previous_time=None,
        properties=None,
    )
    vars(impression).update(changes)
    return {"impression": impression, "attributes": None, "sdk-language-version": "python-10.7.0", "instance-id": "ip"}


def test_with_the_environment_an_impression_has_the_id_of_the_webhook(folder: Path, run: Run) -> None:
    listener = FolderListener(str(folder), environment_id="env-prod")
    listener.log_impression(evaluated(7))
    listener.close()
    (folder / "webhook.jsonl").write_text(json.dumps(posted(7)))
    one, other = run().records("impressions")
    assert one["impression_id"] == other["impression_id"]


def test_what_cannot_be_written_holds_nothing_up(folder: Path, run: Run) -> None:
    listener = FolderListener(str(folder))
    listener.log_impression({"impression": object()})
    listener.log_impression(evaluated(2, properties={"x": object()}))
    listener.log_impression(evaluated(3, matching_key="half an emoji \ud83d", bucketing_key="\udc00"))
    listener.log_impression(evaluated(4))
    listener.close()
    assert listener.dropped == 2
    records = run().records("impressions")
    assert [record["key"] for record in records] == ["half an emoji \N{REPLACEMENT CHARACTER}", "user-000004"]


def test_many_impressions_in_order(folder: Path, run: Run) -> None:
    listener = FolderListener(str(folder))
    for number in range(3500):
        listener.log_impression(evaluated(number, properties='{"plan":"gold"}', previous_time=1767258000123))
    listener.close()
    records = run().records("impressions")
    assert [record["key"] for record in records] == [f"user-{number:06}" for number in range(3500)]
    assert records[0]["properties"] == {"plan": "gold"}
    assert records[0]["previous_time"] == "2026-01-01T09:00:00.123Z"


def test_a_storage_that_fails_never_blocks_or_raises_and_loses_only_what_is_too_much(
    folder: Path, run: Run, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "WAITING_IMPRESSIONS", 100)
    monkeypatch.setattr(module, "WRITE_SECONDS", 0.05)
    folder.rmdir()
    folder.write_text("a file where the folder should be")
    listener = FolderListener(str(folder))
    for number in range(1000):
        listener.log_impression(evaluated(number))
    assert listener.dropped >= 800
    await_true(lambda: "cannot be stored" in caplog.text)
    folder.unlink()
    await_true(lambda: list(folder.parent.glob("impressions/*.open")))
    listener.close()
    assert "dropped" in caplog.text
    assert len(run().records("impressions")) + listener.dropped == 1000


def test_impressions_that_a_failing_storage_holds_up_at_the_end_are_counted(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder.rmdir()
    folder.write_text("a file where the folder should be")
    listener = FolderListener(str(folder))
    for number in range(3):
        listener.log_impression(evaluated(number))
    listener.close()
    assert listener.dropped == 3
    assert "3 impressions were dropped" in caplog.text
    assert "trying again" not in caplog.text


def evaluate_in_child(listener: FolderListener, number: int) -> None:
    listener.log_impression(evaluated(number))
    listener.close()
    os._exit(0)


# From 3.12 on Python warns of what this tests: a fork of a process that has threads.
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
def test_a_process_that_forks_writes_each_impression_once(folder: Path, run: Run) -> None:
    listener = FolderListener(str(folder))
    listener.log_impression(evaluated(1))
    children = [
        multiprocessing.get_context("fork").Process(target=evaluate_in_child, args=(listener, number))
        for number in (2, 3)
    ]
    for child in children:
        child.start()
    for child in children:
        child.join(30)
    listener.log_impression(evaluated(4))
    listener.close()
    assert sorted(record["key"] for record in run().records("impressions")) == [f"user-{n:06}" for n in (1, 2, 3, 4)]
