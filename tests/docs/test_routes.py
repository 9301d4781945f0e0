"""The pages on Amplitude's other routes, done: the sandbox pushes and writes, the page's plugins read into Split."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from demo import data
from support.meltano import ROOT, Meltano
from support.receiver import AmplitudeReceiver, Receiver
from support.sandbox import Sandbox

pytestmark = pytest.mark.kind("pipeline")

PAGES = {path.stem: path.read_text(encoding="utf-8") for path in (ROOT / "docs" / "tap-amplitude").glob("*.md")}
FOLDER = "/var/lib/split-amplitude/amplitude"
TOKEN = "test-token"
BEARER = {"Authorization": f"Bearer {TOKEN}"}
HOUR = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - timedelta(hours=9)
MEMBERS = [{"amplitude_id": number, "user_id": f"user-{number}"} for number in range(1, 31)]


@pytest.fixture
def receiver(tmp_path: Path) -> Iterator[Receiver]:
    with AmplitudeReceiver(tmp_path / "amplitude", "--token", TOKEN) as running:
        yield running


@pytest.fixture
def meltano(tmp_path: Path, sandbox: Sandbox) -> Meltano:
    return Meltano(tmp_path, sandbox.url)


def with_plugin_of(page: str, meltano: Meltano) -> list[str]:
    """Add the page's plugin to the project, over the test's folder; return the page's command."""
    yaml = YAML()
    project = yaml.load(ROOT / "meltano.yml")
    (example,) = re.findall(r"^```yaml\n(.*?)^```", PAGES[page], re.MULTILINE | re.DOTALL)
    (plugin,) = yaml.load(example)["plugins"]["extractors"]
    assert plugin["config"]["path"] == FOLDER
    plugin["config"]["path"] = str(meltano.folder / "amplitude")
    project["plugins"]["extractors"].append(plugin)
    yaml.dump(project, meltano.folder / "meltano.yml")
    meltano.project = meltano.folder
    (command,) = re.findall(rf"^meltano (.+{plugin['name']}.*)$", PAGES[page], re.MULTILINE)
    return shlex.split(command)


def push(sandbox: Sandbox, call: str, receiver: Receiver, **more: Any) -> None:
    sandbox.call(
        "POST", f"/amplitude/{call}", {"url": f"{receiver.url}/amplitude", "headers": BEARER, "retries": 0} | more
    )


def keys(sandbox: Sandbox) -> set[str]:
    (segment,) = sandbox.split_segments()
    return set(segment["keys"])


def test_cohort_changes_reach_the_segment(meltano: Meltano, sandbox: Sandbox, receiver: Receiver) -> None:
    command = with_plugin_of("cohort-push", meltano)
    sandbox.put_cohort(id="ab12cd3", name="Power users", members=MEMBERS)
    push(sandbox, "push-cohort", receiver, cohort_id="ab12cd3")
    sandbox.put_cohort(id="ab12cd3", name="Power users", members=MEMBERS[1:])
    push(sandbox, "push-cohort", receiver, cohort_id="ab12cd3")
    receiver.stop()
    meltano.succeeds(*command)
    assert keys(sandbox) == {member["user_id"] for member in MEMBERS[1:]}


def test_streamed_events_reach_split(meltano: Meltano, sandbox: Sandbox, receiver: Receiver) -> None:
    command = with_plugin_of("event-streaming", meltano)
    products = data.product_events(HOUR, 1)[:50]
    sandbox.put_export_rows(products)
    sandbox.call("POST", "/amplitude/stream-events", {"url": receiver.url, "headers": BEARER, "copies": 2})
    receiver.stop()
    meltano.succeeds(*command)
    known = [row for row in products if row["user_id"]]
    assert known
    assert sorted(event["key"] for event in sandbox.split_events()) == sorted(row["user_id"] for row in known)


def test_from_the_api_to_files_and_back(meltano: Meltano, sandbox: Sandbox) -> None:
    commands = re.findall(r"^ *meltano (run .+)$", PAGES["raw-export"], re.MULTILINE)
    to_files, to_api = (shlex.split(command) for command in commands)
    meltano.environment["TARGET_SPLIT_LEDGER_PATH"] = ""  # which would hide a repeat
    products = data.product_events(HOUR, 4)
    sandbox.put_export_rows(products)
    start, second, third = ((HOUR + timedelta(hours=hours)).isoformat() for hours in (0, 1, 2))
    files = {"TAP_AMPLITUDE_PATH": str(meltano.folder / "raw"), "TAP_AMPLITUDE_START_DATE": start}
    sandbox.call("POST", "/amplitude/write-export", {"path": files["TAP_AMPLITUDE_PATH"]})

    meltano.succeeds(*to_files, TAP_AMPLITUDE_START_DATE=start, TAP_AMPLITUDE_END_DATE=second)
    meltano.succeeds(*to_files, **files, TAP_AMPLITUDE_END_DATE=third)
    before = len(sandbox.split_events())
    meltano.succeeds(*to_api, TAP_AMPLITUDE_START_DATE=third)
    known = sorted((row["user_id"], row["event_type"]) for row in products if row["user_id"])
    assert 0 < before < len(known)
    assert len(sandbox.split_events()) == len(known)
    assert sorted(event["key"] for event in sandbox.split_events()) == [key for key, _ in known]
