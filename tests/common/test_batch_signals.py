"""A stop signal while a batch file is read: neither STATE nor ACTIVATE_VERSION may pass what was not read."""

from __future__ import annotations

import contextlib
import gzip
import io
import json
import signal
from pathlib import Path
from typing import Any

import pytest

from support.amplitude import EVENT_SCHEMA, MEMBER_SCHEMA, event, members, members_messages
from support.connectors import config_of
from support.impressions import SCHEMA, impression
from support.inside import process_kept
from support.processes import Workplace
from support.sandbox import Sandbox
from target_split.common.target.decoding import BLOCK_BYTES
from target_split.target import TargetSplit

# More than one request on its way, one that waits and one that fills: with one worker, reading must wait for a request.
COUNT = 24_000
ONE_WORKER = {"max_parallel_requests": 1}
BEFORE, BEHIND = ({"type": "STATE", "value": {"at": at}} for at in ("before", "behind"))
EVENTS = {"type": "SCHEMA", "stream": "events", "schema": EVENT_SCHEMA, "key_properties": ["uuid"]}
IMPRESSIONS = {"type": "SCHEMA", "stream": "impressions", "schema": SCHEMA, "key_properties": ["impression_id"]}
MEMBERS = {
    "type": "SCHEMA",
    "stream": "cohort_members",
    "schema": MEMBER_SCHEMA,
    "key_properties": ["cohort_id", "amplitude_id"],
}


def batch_of(path: Path, schema: dict[str, Any]) -> dict[str, Any]:
    encoding = {"format": "jsonl", "compression": "gzip"}
    return {"type": "BATCH", "stream": schema["stream"], "encoding": encoding, "manifest": [path.as_uri()]}


def version_of(schema: dict[str, Any]) -> dict[str, Any]:
    return {"type": "ACTIVATE_VERSION", "stream": schema["stream"], "version": 1}


@pytest.mark.parametrize("signals", [[signal.SIGTERM], [signal.SIGINT, signal.SIGTERM]], ids=["one", "two"])
@pytest.mark.parametrize("target", ["target-amplitude", "target-split"])
def test_of_events(target: str, signals: list[int], workplace: Workplace, sandbox: Sandbox, tmp_path: Path):
    config = config_of(target, sandbox.url, tmp_path) | ONE_WORKER
    schema, row, path = (
        (EVENTS, event, "/api/events/bulk") if target == "target-split" else (IMPRESSIONS, impression, "/batch")
    )
    file = workplace.file("batch", gzip.compress("".join(json.dumps(row(n)) + "\n" for n in range(COUNT)).encode(), 1))
    messages = (schema, BEFORE, batch_of(file, schema), version_of(schema), BEHIND)
    sandbox.plan(path=path, kind="delay", delay_seconds=0.5, times=None)
    process = workplace.start(workplace.command(target, config))
    assert process.stdin
    process.stdin.write("".join(json.dumps(message) + "\n" for message in messages))
    process.stdin.flush()
    sandbox.await_requests(path=path)
    for number in signals:
        process.send_signal(number)
    stdout, log = process.communicate(timeout=60)
    assert process.returncode == 128 + signals[0], log
    assert [json.loads(line) for line in stdout.splitlines()] == [{"at": "before"}]

    def stored() -> int:
        return len(sandbox.split_events() if target == "target-split" else sandbox.amplitude_events())

    assert 0 < stored() < COUNT
    sandbox.call("DELETE", "/faults")
    again = workplace.run(target, config, messages=messages)
    assert again.code == 0, again.stderr
    assert again.state == {"at": "behind"}
    assert stored() == COUNT


class Interrupted(TargetSplit):
    """Gets a signal at the first piece of a batch file."""

    def flush_old(self) -> None:
        if self.services.summary["records_read"]:
            signal.raise_signal(signal.SIGTERM)
        super().flush_old()


@pytest.mark.parametrize("with_sizes", [True, False])
def test_of_members_removes_nobody(with_sizes: bool, workplace: Workplace, sandbox: Sandbox, tmp_path: Path):
    config = config_of("target-split", sandbox.url, tmp_path) | ONE_WORKER
    rows = members(4_000)
    first = workplace.run("target-split", config, messages=members_messages(rows))
    assert first.code == 0, first.stderr

    def held() -> list[int]:
        return [len(segment["keys"]) for segment in sandbox.split_segments() if segment["keys"]]

    before = held()
    assert 4_000 in before
    if not with_sizes:
        rows = [{**row, "cohort_size": None} for row in rows]
    text = "".join(json.dumps(row) + "\n" for row in rows).encode()
    first_block = text[: text.index(b"\n", BLOCK_BYTES)].count(b"\n") + 1
    assert 0 < first_block < len(rows)
    file = workplace.file("batch", gzip.compress(text, 1))
    messages = (MEMBERS, BEFORE, batch_of(file, MEMBERS), version_of(MEMBERS), BEHIND)
    written = io.StringIO()
    with process_kept(), contextlib.redirect_stdout(written):
        target = Interrupted(config=config)
        target.listen(io.StringIO("".join(json.dumps(message) + "\n" for message in messages)))
    assert target.stop_signal == signal.SIGTERM
    assert target.summary["records_read"] == first_block
    assert [json.loads(line) for line in written.getvalue().splitlines()] == [{"at": "before"}]
    assert held() == before
