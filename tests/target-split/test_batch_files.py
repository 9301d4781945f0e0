"""Large batch files, whose events other processes make: the same events, rejects, counts and STATE as line by line."""

from __future__ import annotations

import gzip
import json
import os
import select
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.amplitude import event, events_messages
from support.processes import Result, Workplace
from support.sandbox import Sandbox
from target_split.common.target.decoding import GZIP_MAGIC
from target_split.events import batch_files

BULK = "/api/events/bulk"
Config = dict[str, Any]
COUNT = 6_000  # a little over what is worth a process


def records(start: int = 0) -> Iterator[dict[str, Any]]:
    """Events of which some are unusual."""
    for n in range(start, start + COUNT):
        record = event(n, user_properties={"about": "x" * 400})
        if n % 1000 == 1:
            record["platform"] = 7  # breaks the schema
        if n % 1000 == 2:
            record["event_time"] = "yesterday"
        if n % 1000 == 3:
            record["user_id"] = None
        if n % 1000 == 4:
            record["event_properties"] = {"big": 2**70, "long": "x" * 300}
        yield record


def batch_of(*paths: Path, compression: str | None = None) -> dict[str, Any]:
    encoding = {"format": "jsonl", "compression": compression}
    return {"type": "BATCH", "stream": "events", "encoding": encoding, "manifest": [path.as_uri() for path in paths]}


def written(workplace: Workplace, name: str, start: int = 0, *, packed: bool = False) -> Path:
    text = "".join(json.dumps(record) + "\n" for record in records(start)).encode()
    assert len(text) > batch_files.SMALLEST_BYTES
    return workplace.file(name, gzip.compress(text, 0) if packed else text)


SCHEMA = events_messages([])[0]
STATE = {"type": "STATE", "value": {"read": "all"}}


def test_packed_files_count_for_what_is_in_them(workplace: Workplace):
    size = batch_files.SMALLEST_PACKED_BYTES
    path = workplace.file("batch", GZIP_MAGIC + b"x" * (size - 2))
    assert batch_files.local_file(path.as_uri()) == path
    assert batch_files.local_file(f"s3://bucket{path}") is None
    path.write_bytes(GZIP_MAGIC + b"x" * (size - 3))
    assert batch_files.local_file(path.as_uri()) is None
    path.write_bytes(b"x" * size)
    assert batch_files.local_file(path.as_uri()) is None


def outcome(workplace: Workplace, sandbox: Sandbox, result: Result) -> tuple[Any, ...]:
    """All that a run leaves behind, to be compared."""
    rejects = (workplace.folder / "rejects.jsonl").read_text().splitlines()
    events = sorted(json.dumps(one, sort_keys=True) for one in sandbox.split_events())
    kept = sorted(json.dumps([json.loads(r)["reason"], json.loads(r)["record"]], sort_keys=True) for r in rejects)
    counts = {name: value for name, value in result.metrics.items() if name.startswith("records_")}
    return result.code, result.state, events, kept, counts


@pytest.mark.parametrize("packed", [False, True])
def test_the_same_as_records(config: Config, workplace: Workplace, sandbox: Sandbox, packed: bool):
    paths = [written(workplace, f"batch-{start}", start, packed=packed) for start in (0, COUNT)]
    batch = batch_of(*paths, compression="gzip" if packed else None)
    by_batch = workplace.run("target-split", config, messages=[SCHEMA, batch, STATE])
    batched = outcome(workplace, sandbox, by_batch)

    sandbox.reset()
    for name in ("ledger.sqlite", "rejects.jsonl"):
        (workplace.folder / name).unlink()
    messages = [{"type": "RECORD", "stream": "events", "record": one} for start in (0, COUNT) for one in records(start)]
    by_record = workplace.run("target-split", config, messages=[SCHEMA, *messages, STATE])
    assert batched == outcome(workplace, sandbox, by_record)
    assert batched[0] == 0, by_batch.stderr
    assert len(batched[2]) == 2 * COUNT * 997 // 1000


def test_state_waits_for_the_files_before_it(config: Config, workplace: Workplace, sandbox: Sandbox):
    path = written(workplace, "batch")
    sandbox.plan(path=BULK, kind="status", status=401, skip=2, times=None)
    result = workplace.run("target-split", config, messages=[SCHEMA, batch_of(path), STATE])
    assert result.code == 1
    assert "'sdk_api_key'" in result.stderr
    assert result.stdout == ""


def test_a_damaged_file_is_said(config: Config, workplace: Workplace):
    path = written(workplace, "batch", packed=True)
    path.write_bytes(path.read_bytes()[:-100])
    result = workplace.run("target-split", config, messages=[SCHEMA, batch_of(path, compression="gzip"), STATE])
    assert result.code == 1
    assert "Stream 'events': a batch file cannot be read" in result.stderr
    assert result.stdout == ""
    assert "Traceback" not in result.stderr


def test_a_line_that_is_no_json_is_said(config: Config, workplace: Workplace):
    path = written(workplace, "batch")
    with path.open("ab") as file:
        file.write(b'{"uuid": "secret\n')
    result = workplace.run("target-split", config, messages=[SCHEMA, batch_of(path), STATE])
    assert result.code == 1
    assert f"Line {COUNT + 1} of the input is not valid JSON" in result.stderr
    assert "secret" not in result.stderr
    assert result.stdout == ""


def test_after_a_kill_no_process_is_left_and_nothing_is_lost(config: Config, workplace: Workplace, sandbox: Sandbox):
    paths = [written(workplace, f"batch-{start}", start) for start in (0, COUNT)]
    messages = [SCHEMA, batch_of(*paths), STATE]
    sandbox.plan(path=BULK, kind="delay", delay_seconds=30, skip=2, times=None)
    process = workplace.start(workplace.command("target-split", config))
    assert process.stdin
    process.stdin.write("".join(json.dumps(message) + "\n" for message in messages))
    process.stdin.flush()
    await_requests(sandbox, 2)
    workers = children(process.pid)
    assert bool(workers) == ((os.cpu_count() or 1) > 1)
    process.kill()
    process.communicate()
    for worker in workers:
        await_end(worker)

    sandbox.call("DELETE", "/faults")
    result = workplace.run("target-split", config, messages=messages)
    assert result.code == 0, result.stderr
    assert result.state == {"read": "all"}
    assert len({one["key"] for one in sandbox.split_events()}) == 2 * COUNT * 997 // 1000


def test_termination_ends_the_files_that_were_begun(config: Config, workplace: Workplace, sandbox: Sandbox):
    process = workplace.start(workplace.command("target-split", config))
    assert process.stdin
    path = written(workplace, "batch")
    process.stdin.write(json.dumps(SCHEMA) + "\n" + json.dumps(batch_of(path)) + "\n" + json.dumps(STATE) + "\n")
    process.stdin.flush()
    await_requests(sandbox, 1)
    workers = children(process.pid)
    process.send_signal(signal.SIGTERM)
    stdout, stderr = process.communicate(timeout=60)
    assert process.returncode == 128 + signal.SIGTERM, stderr
    assert len(sandbox.split_events()) == COUNT * 997 // 1000
    assert json.loads(stdout.splitlines()[-1]) == {"read": "all"}
    for worker in workers:
        await_end(worker)


def await_requests(sandbox: Sandbox, count: int) -> None:
    while len(sandbox.requests(BULK)) < count:
        time.sleep(0.02)  # nothing tells when; asking again is the only way


def children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def await_end(pid: int) -> None:
    """Wait until a process that is not our child is gone."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    assert select.select([descriptor], [], [], 30)[0]
    os.close(descriptor)
