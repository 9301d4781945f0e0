"""Every example of docs/pii.md, run as real processes from a folder, or Amplitude's export, to the service."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from support.processes import Workplace
from support.sandbox import Sandbox

pytestmark = pytest.mark.kind("process")

PAGE = (Path(__file__).parents[2] / "docs" / "pii.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"^```json (\S+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
INPUTS = ("impression", "event")
HOUR = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - timedelta(hours=6)


def examples() -> list[list[tuple[str, Any]]]:
    """The page's blocks, in groups that each end with what becomes of the input."""
    groups: list[list[tuple[str, Any]]] = [[]]
    for kind, text in BLOCK.findall(PAGE):
        groups[-1].append((kind, json.loads(text)))
        if kind == "becomes":
            groups.append([])
    assert groups.pop() == []
    return groups


EXAMPLES = examples()


def test_there_are_examples() -> None:
    assert len(EXAMPLES) == 5
    assert {kind for group in EXAMPLES for kind, _ in group} == {
        *("tap-split-impressions", "target-amplitude", "tap-amplitude", "target-split", "becomes"),
        *INPUTS,
    }


@pytest.mark.parametrize("number", range(len(EXAMPLES)))
def test_an_example(number: int, workplace: Workplace, sandbox: Sandbox) -> None:
    example = EXAMPLES[number]
    *given, (_, becomes) = example
    settings = {kind: content for kind, content in given if kind not in INPUTS}
    rows = [content for kind, content in given if kind in INPUTS]
    held = (impressions if any(kind == "impression" for kind, _ in given) else events)(
        rows, settings, workplace, sandbox
    )
    assert [{name: event.get(name) for name in wanted} for event, wanted in zip(held, becomes, strict=True)] == becomes
    # Nothing of a person is anywhere in what the service got, unless the example says so.
    for personal in ("ada@", "555", "203.0.113.9"):
        assert personal not in json.dumps(held)


def impressions(rows: list[Any], settings: dict[str, Any], workplace: Workplace, sandbox: Sandbox) -> list[Any]:
    """What Amplitude holds of impressions, their properties beside the id."""
    workplace.file("impressions/batch.jsonl", "".join(f"{json.dumps(row)}\n" for row in rows))
    tap = {"path": str(workplace.folder / "impressions"), "settle_seconds": 0}
    read = workplace.run("tap-split-impressions", tap | settings.get("tap-split-impressions", {}))
    target = {"api_key": "k", "api_url": sandbox.url} | settings.get("target-amplitude", {})
    loaded = workplace.run("target-amplitude", target, messages=[f"{line}" for line in read.stdout.splitlines()])
    assert (read.code, loaded.code) == (0, 0), read.stderr + loaded.stderr
    return [{"user_id": event["user_id"]} | event["event_properties"] for event in sandbox.amplitude_events()]


def events(rows: list[Any], settings: dict[str, Any], workplace: Workplace, sandbox: Sandbox) -> list[Any]:
    """What Split holds of exported events, their properties beside the key."""
    moment = f"{HOUR:%Y-%m-%d %H}:30:00.000000"
    sandbox.put_export_rows(
        [{"uuid": f"u-{n}", "event_time": moment, "server_upload_time": moment} | row for n, row in enumerate(rows)]
    )
    tap = {"api_key": "k", "secret_key": "s", "api_url": sandbox.url, "start_date": HOUR.isoformat()}
    tap |= settings.get("tap-amplitude", {})
    catalog = json.loads(workplace.run("tap-amplitude", tap, "--discover").stdout)
    catalog["streams"] = [stream for stream in catalog["streams"] if stream["stream"] == "events"]
    read = workplace.run("tap-amplitude", tap, catalog=catalog)
    target = {"sdk_api_key": "k", "events_url": sandbox.url} | settings.get("target-split", {})
    loaded = workplace.run("target-split", target, messages=[f"{line}" for line in read.stdout.splitlines()])
    assert (read.code, loaded.code) == (0, 0), read.stderr + loaded.stderr
    return [{"key": event["key"]} | event.get("properties", {}) for event in sandbox.split_events()]
