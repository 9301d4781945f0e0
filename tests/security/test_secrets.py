"""Planted keys and a planted person: nowhere in logs, errors, states or command lines, in no file that others can read.

Every connector runs as a process that logs all it can; a server plays Amplitude and Split and repeats in its errors
whatever it was sent.
"""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from support.amplitude import events_messages, members, members_messages
from support.exports import export_row
from support.impressions import impression, messages
from support.processes import Result, Workplace
from support.receiver import Receiver, posted
from support.sandbox import Sandbox
from support.scripted import Answer, Request, scripted

PLANTED = "planted-"
API_KEY, SECRET_KEY, TOKEN = "planted-api-key-7c1", "planted-secret-key-7c2", "planted-token-7c3"
PERSON = "planted-person-7c4@example.com"
DEBUG = {"LOGLEVEL": "debug"}
AMPLITUDE = {"api_key": API_KEY, "secret_key": SECRET_KEY, "start_date": "2026-03-14", "end_date": "2026-03-15"}
SPLIT = {"sdk_api_key": API_KEY, "admin_api_key": SECRET_KEY, "workspace_id": "ws-demo", "environment": "Production"}
UNKNOWN_SETTING = {"api_keyy": API_KEY}


def echo(request: Request) -> Answer:
    """Refuse, and repeat what was sent, as Amplitude does with a wrong key."""
    assert PLANTED not in command_lines()
    body = {"error": f"Invalid API key: {API_KEY} {SECRET_KEY}", "for": PERSON, "sent": str(request)}
    return Answer(json.dumps(body).encode(), status=401)


def command_lines() -> str:
    """What everybody on this machine sees of its processes."""
    lines = []
    for process in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            lines.append(process.read_text(encoding="utf-8", errors="replace"))
        except OSError:
            continue  # it has ended
    return "\n".join(lines)


def assert_clean(result: Result, *, error: str = "") -> None:
    """Check that only records hold what was planted, and that the run ended as it should."""
    assert (result.code, error in result.stderr) == (int(bool(error)), True), result.stderr
    assert PLANTED not in result.stderr
    rest = [message for message in result.messages if message.get("type") != "RECORD"]
    assert PLANTED not in json.dumps(rest)


def assert_private(files: Iterable[Path], *, least: int) -> None:
    """Check that only their owner can read files."""
    modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in files}
    assert len(modes) >= least
    assert set(modes.values()) == {0o600}, modes


@pytest.fixture
def exported(sandbox: Sandbox) -> Sandbox:
    """A sandbox with the person's rows and cohort."""
    sandbox.put_export_rows([export_row(n, user_id=PERSON, event_type=PERSON) for n in range(20)])
    sandbox.put_cohort(id="c1", name="VIP", polls=0, members=[{"amplitude_id": 1, "user_id": PERSON}])
    return sandbox


@pytest.fixture
def moody(sandbox: Sandbox) -> Sandbox:
    """A sandbox that first fails, then refuses, and repeats what must not be repeated."""
    repeated = f"{API_KEY} {SECRET_KEY} {PERSON}"
    for path in ("/batch", "/identify", "/api/events/bulk"):
        sandbox.plan(path=path, kind="status", status=500, body=repeated)
        sandbox.plan(path=path, kind="status", status=400, body=repeated, skip=1)
    return sandbox


def everything(workplace: Workplace, config: dict[str, Any]) -> dict[str, Any]:
    """A catalog of tap-amplitude in which all streams are selected."""
    catalog: dict[str, Any] = json.loads(workplace.run("tap-amplitude", config, "--discover").stdout)
    for stream in catalog["streams"]:
        for entry in stream["metadata"]:
            entry["metadata"]["selected"] = True
    return catalog


def test_tap_amplitude(workplace: Workplace, exported: Sandbox) -> None:
    exported.plan(path="/api/2/export", kind="status", status=500, body=f"{API_KEY} {SECRET_KEY}")
    exported.plan(path="/api/2/export", kind="cut", after_bytes=100, skip=1)
    config = AMPLITUDE | UNKNOWN_SETTING | {"api_url": exported.url, "spool_directory": str(workplace.folder / "spool")}
    config |= {"cohort_ids": ["*"]}
    result = workplace.run("tap-amplitude", config, environment=DEBUG, catalog=everything(workplace, config))
    assert_clean(result)
    assert len(result.records("events")) == 20
    assert len(result.records("cohort_members")) == 1


def test_tap_amplitude_in_batch_files(workplace: Workplace, exported: Sandbox) -> None:
    folder = workplace.folder / "files"
    batches = {"encoding": {"format": "jsonl", "compression": "gzip"}, "storage": {"root": str(folder)}}
    config = AMPLITUDE | {"api_url": exported.url, "batch_config": batches}
    result = workplace.run("tap-amplitude", config, environment=DEBUG)
    assert_clean(result)
    assert_private(folder.iterdir(), least=1)


def test_tap_amplitude_refused(workplace: Workplace) -> None:
    with scripted(echo) as server:
        result = workplace.run("tap-amplitude", AMPLITUDE | {"api_url": server.url}, environment=DEBUG)
    assert_clean(result, error="Check 'api_key' and 'secret_key'")


def test_tap_split_impressions(workplace: Workplace, sandbox: Sandbox) -> None:
    lines = [json.dumps(posted(number, key=PERSON)) for number in range(5)]
    workplace.file("in/good.jsonl", "\n".join([*lines, f'{{"key": "{PERSON}"', json.dumps({"key": PERSON}), ""]))
    config = {"path": str(workplace.folder / "in"), "settle_seconds": 0, "workspace_id": "ws-demo"}
    config |= {"admin_api_key": API_KEY, "api_url": sandbox.url} | UNKNOWN_SETTING
    result = workplace.run("tap-split-impressions", config, environment=DEBUG)
    assert_clean(result)
    assert len(result.records("impressions")) == 5
    with scripted(echo) as server:
        result = workplace.run("tap-split-impressions", config | {"api_url": server.url}, environment=DEBUG)
    assert_clean(result, error="'admin_api_key'")


def test_the_receiver(workplace: Workplace) -> None:
    folder = workplace.folder / "received"
    token = {"TAP_SPLIT_IMPRESSIONS_WEBHOOK_TOKEN": TOKEN} | DEBUG
    with Receiver(folder, env=os.environ | token) as receiver:
        assert receiver.post([posted(1, key=PERSON), {"key": PERSON}], f"/?token={TOKEN}").status_code == 200
        assert receiver.post(PERSON.encode(), f"/?token={TOKEN}").status_code == 400
        assert receiver.post([posted(2, key=PERSON)], f"/?token={TOKEN}-wrong").status_code == 401
        assert receiver.post([], f"/elsewhere?token={TOKEN}").status_code == 404
        assert PLANTED not in command_lines()
        receiver.stop()
    assert PLANTED not in receiver.listening + receiver.said
    (stored,) = folder.glob("*.jsonl")
    assert stat.S_IMODE(stored.stat().st_mode) & 0o007 == 0  # a tap of another user in the group may read it
    assert_private(folder.glob("*.rejects"), least=1)


@pytest.mark.parametrize("load_as", ["event", "identify"])
def test_target_amplitude(load_as: str, workplace: Workplace, moody: Sandbox) -> None:
    records = [impression(n, key=PERSON, split=PERSON) for n in range(3)]
    records += [impression(8, key=PERSON, time=PERSON), impression(9, key=PERSON, time={PERSON: PERSON})]
    config = {"api_key": API_KEY, "load_as": load_as, "rejects_path": str(workplace.folder / "rejects.jsonl")}
    served = config | {"api_url": moody.url} | UNKNOWN_SETTING
    result = workplace.run("target-amplitude", served, messages=messages(records), environment=DEBUG)
    assert_clean(result)
    assert_private([workplace.folder / "rejects.jsonl"], least=1)
    with scripted(echo) as server:
        refused = config | {"api_url": server.url}
        result = workplace.run("target-amplitude", refused, messages=messages(records[:1]), environment=DEBUG)
    assert_clean(result, error="'api_key'")


def test_target_split_events(workplace: Workplace, moody: Sandbox) -> None:
    files = {name: str(workplace.folder / name) for name in ("ledger_path", "rejects_path")}
    rows: list[Any] = [{"uuid": str(n), "user_id": PERSON, "event_type": PERSON, "event_time": PERSON} for n in "12"]
    rows += [row | {"uuid": row["uuid"] * 2, "event_time": "2026-03-14 09:26:53.589000"} for row in rows]
    config = SPLIT | files | UNKNOWN_SETTING | {"events_url": moody.url, "admin_url": moody.url}
    result = workplace.run("target-split", config, messages=events_messages(rows), environment=DEBUG)
    assert_clean(result)
    assert_private(map(Path, files.values()), least=2)
    with scripted(echo) as server:
        refused = {"sdk_api_key": API_KEY, "events_url": server.url}
        result = workplace.run("target-split", refused, messages=events_messages(rows), environment=DEBUG)
    assert_clean(result, error="'sdk_api_key'")


def test_target_split_segments(workplace: Workplace, sandbox: Sandbox) -> None:
    rows = members(3, user_id=PERSON) + members(1, cohort="c2", name="Beta", user_id=PERSON * 10)
    config = SPLIT | {"admin_url": sandbox.url, "rejects_path": str(workplace.folder / "rejects_path")}
    result = workplace.run("target-split", config, messages=members_messages(rows), environment=DEBUG)
    assert_clean(result)
    assert_private([workplace.folder / "rejects_path"], least=1)
    with scripted(echo) as server:
        refused = SPLIT | {"admin_url": server.url}
        result = workplace.run("target-split", refused, messages=members_messages(rows), environment=DEBUG)
    assert_clean(result, error="'admin_api_key'")
