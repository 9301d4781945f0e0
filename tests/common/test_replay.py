"""`--replay`: rejects are sent again; what is delivered leaves the file, the rest stays."""

from __future__ import annotations

import contextlib
import json
import logging
import signal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.amplitude import event, events_messages
from support.impressions import impression, messages
from support.processes import Workplace
from support.sandbox import Sandbox
from target_amplitude.common.errors import ConnectorError
from target_amplitude.common.target.rejects_file import RejectsFile, read_schemas, schemas_path
from target_amplitude.common.target.replay import Replay, Replayed
from target_amplitude.common.target.services import Stream

RECORDS = 1_200


def line_of(number: int) -> bytes:
    return json.dumps({"stream": "s", "reason": "old", "record": {"id": number}}).encode() + b"\n"


def written(folder: Path, *lines: bytes) -> Path:
    path = folder / "rejects.jsonl"
    path.write_bytes(b"".join(lines))
    return path


class TestTheFile:
    @given(st.lists(st.tuples(st.sampled_from(["reject", "keep", "done", "append"]), st.integers(0, 9)), max_size=25))
    def test_is_at_each_moment_what_is_not_known_to_be_delivered(self, tmp_path_factory, steps: list[tuple[str, int]]):
        path = written(tmp_path_factory.mktemp("rejects"), *map(line_of, range(10)))
        with contextlib.closing(Replay(str(path), "target-x")) as replay:
            origins = [origin for origin, _ in replay.records()]
            model, appended, done = dict.fromkeys(range(10), "old"), [], 0
            for step, number in [*steps, ("done", 9)]:
                if step == "append":
                    appended.append(1000 + len(appended))
                    RejectsFile(str(path), "target-x").write(line_of(appended[-1]), None)
                elif step == "done":
                    done = max(done, number + 1)
                    replay.done(done)
                    model = {n: reason for n, reason in model.items() if n >= done or reason == "new"}
                    lines = [json.loads(line) for line in path.read_bytes().splitlines()]
                    assert [(one["record"]["id"], one["reason"]) for one in lines] == [
                        *model.items(),
                        *((n, "old") for n in appended),
                    ]
                elif number >= done:
                    model[number] = "new"
                    if step == "reject":
                        replay.write(line_of(number).replace(b"old", b"new"), origins[number])
                    else:
                        replay.keep(origins[number], "new")

    def test_damaged_lines_stay_as_they_are(self, tmp_path: Path):
        bad = [b'{"stream": "s"}\n', b"[]\n", b'{"stream": "s", "record": null}\n', b'{"stream": "s", "rec']
        path = written(tmp_path, line_of(0), b"\n", *bad[:3], line_of(1), bad[3])
        replay = Replay(str(path), "target-x")
        assert [record["id"] for _, record in replay.records()] == [0, 1]
        assert replay.unreadable == [3, 4, 5, 7]
        replay.done(Replay.END)
        replay.close()
        assert path.read_bytes() == b"".join(bad) + b"\n"

    def test_is_replayed_by_one_program_at_a_time(self, tmp_path: Path):
        path = written(tmp_path, line_of(0), line_of(1))
        first = Replay(str(path), "target-x")
        with pytest.raises(ConnectorError, match="being replayed"):
            Replay(str(path), "target-x")
        first.done(1)
        with pytest.raises(ConnectorError, match="being replayed"):
            Replay(str(path), "target-x")
        first.close()
        Replay(str(path), "target-x").close()

    def test_of_another_target_is_refused(self, tmp_path: Path):
        file = RejectsFile(str(tmp_path / "rejects.jsonl"), "target-other")
        file.add_stream(Stream("s", {"type": "object"}, []))
        file.write(line_of(0), Replayed("s", 0, line_of(0)))
        assert read_schemas(file.path).target == "target-other"
        with pytest.raises(ConnectorError, match="rejects of target-other"):
            Replay(str(file.path), "target-x")

    def test_that_is_missing_is_said(self, tmp_path: Path):
        with pytest.raises(ConnectorError, match="does not exist"):
            Replay(str(tmp_path / "nothing.jsonl"), "target-x")

    def test_with_damaged_schemas_is_said(self, tmp_path: Path):
        path = written(tmp_path, line_of(0))
        schemas_path(path).write_text("{")
        with pytest.raises(ConnectorError, match="damaged"):
            Replay(str(path), "target-x")


@pytest.fixture
def amplitude(sandbox: Sandbox, tmp_path: Path) -> dict[str, Any]:
    return {
        "api_key": "test-api-key",
        "api_url": sandbox.url,
        "rejects_path": str(tmp_path / "rejects.jsonl"),
        "retry_timeout_seconds": 20,
        "max_rejects": RECORDS,
        "max_reject_share": 1,
    }


def rejected(workplace: Workplace, config: dict[str, Any], count: int = RECORDS) -> Path:
    """Have impressions rejected because they name their user elsewhere; return the file."""
    records = [impression(n, key="anonymous", bucketing_key=f"user-{n:06}") for n in range(count)]
    result = workplace.run("target-amplitude", config | {"identity": {"*": "user_id"}}, messages=messages(records))
    path = Path(config["rejects_path"])
    assert result.code == 1, result.stderr
    assert len(path.read_bytes().splitlines()) == count
    return path


FIXED = {"mappings": {"impressions": {"user_id": "bucketing_key"}}}


def test_delivered_records_leave_the_file_and_others_stay_with_their_new_reason(
    amplitude: dict[str, Any], workplace: Workplace, sandbox: Sandbox
):
    path = rejected(workplace, amplitude, 30)
    lines = path.read_text().splitlines()
    lines[7] = lines[7].replace('"user-000007"', "7.5")  # breaks the schema
    lines[9] = lines[9][:50]
    path.write_text("\n".join(lines) + "\n")
    result = workplace.run("target-amplitude", amplitude | FIXED, "--replay", path)
    assert result.code == 0, result.stderr
    assert "line 10 of" in result.stderr
    assert sorted(one["user_id"] for one in sandbox.amplitude_events()) == [
        f"user-{n:06}" for n in range(30) if n not in (7, 9)
    ]
    schema, cut = path.read_text().splitlines()
    assert "schema" in json.loads(schema)["reason"]
    assert cut == lines[9]
    assert result.stdout == ""  # no STATE: it belongs to a tap


def test_records_skipped_by_the_present_settings_stay(amplitude, workplace: Workplace, sandbox: Sandbox):
    path = rejected(workplace, amplitude, 3)
    mapping = {"impressions": {"user_id": "bucketing_key", "filter": {"bucketing_key": ["user-000001"]}}}
    result = workplace.run("target-amplitude", amplitude | {"mappings": mapping}, "--replay", path)
    assert result.code == 0, result.stderr
    assert [json.loads(line)["reason"] for line in path.read_text().splitlines()] == [
        "skipped by the present settings"
    ] * 2


def test_all_rejected_again_is_a_failure_and_nothing_is_lost(amplitude, workplace: Workplace, sandbox: Sandbox):
    path = rejected(workplace, amplitude, 3)
    before = [json.loads(line)["record"] for line in path.read_text().splitlines()]
    result = workplace.run("target-amplitude", amplitude, "--replay", path)
    assert result.code == 1
    assert "No record was accepted" in result.stderr
    assert f"3 records were rejected again and stay in {path}." in result.stderr
    assert [json.loads(line)["record"] for line in path.read_text().splitlines()] == before


def test_a_dry_run_changes_nothing(amplitude, workplace: Workplace, sandbox: Sandbox):
    path = rejected(workplace, amplitude, 3)
    before = path.read_bytes()
    result = workplace.run("target-amplitude", amplitude | FIXED | {"dry_run": True}, "--replay", path)
    assert result.code == 0, result.stderr
    assert path.read_bytes() == before
    assert sandbox.amplitude_events() == []


def test_a_file_without_schemas_is_replayed_as_well(amplitude, workplace: Workplace, sandbox: Sandbox):
    path = rejected(workplace, amplitude, 3)
    schemas_path(path).unlink()
    result = workplace.run("target-amplitude", amplitude | FIXED, "--replay", path)
    assert result.code == 0, result.stderr
    assert len(sandbox.amplitude_events()) == 3


@pytest.mark.parametrize("ends", [signal.SIGKILL, signal.SIGTERM])
def test_ended_at_any_moment_nothing_is_lost_or_doubled(ends, amplitude, workplace: Workplace, sandbox: Sandbox):
    path = rejected(workplace, amplitude)
    config = amplitude | FIXED | {"endpoint": "http", "max_parallel_requests": 1}
    sandbox.plan(path="/2/httpapi", kind="delay", delay_seconds=0.5, times=None)
    for asked in (1, 2):
        process = workplace.start(workplace.command("target-amplitude", config, "--replay", path))
        sandbox.await_requests(asked, "/2/httpapi", process)
        process.send_signal(ends)
        process.communicate(timeout=60)
        left = [json.loads(line)["record"]["bucketing_key"] for line in path.read_text().splitlines()]
        there = [one["user_id"] for one in sandbox.amplitude_events()]
        assert len(left) == len(set(left))
        assert len(there) == len(set(there))
        assert {*left, *there} == {f"user-{n:06}" for n in range(RECORDS)}
    sandbox.call("DELETE", "/faults")
    result = workplace.run("target-amplitude", config, "--replay", path)
    assert result.code == 0, result.stderr
    assert path.read_bytes() == b""
    assert sorted(one["user_id"] for one in sandbox.amplitude_events()) == [f"user-{n:06}" for n in range(RECORDS)]


def test_target_split_replays_with_its_ledger(workplace: Workplace, sandbox: Sandbox, tmp_path: Path):
    config = {
        "sdk_api_key": "test-sdk-key",
        "events_url": sandbox.url,
        "ledger_path": str(tmp_path / "ledger.sqlite"),
        "rejects_path": str(tmp_path / "rejects.jsonl"),
    }
    records = [event(n) | {"event_time": "yesterday" if n % 10 == 0 else event(n)["event_time"]} for n in range(50)]
    first = workplace.run("target-split", config, messages=events_messages(records))
    assert first.code == 0, first.stderr
    path = Path(config["rejects_path"])
    assert len(path.read_text().splitlines()) == 5
    path.write_text(path.read_text().replace('"yesterday"', '"2026-03-14T09:26:53Z"'))
    result = workplace.run("target-split", config, "--replay", path)
    assert result.code == 0, result.stderr
    assert path.read_bytes() == b""
    assert len({one["key"] for one in sandbox.split_events()}) == 50 == len(sandbox.split_events())


def test_the_log_names_no_person(caplog: pytest.LogCaptureFixture, tmp_path: Path):
    caplog.set_level(logging.DEBUG)
    path = written(tmp_path, b'{"stream": "s", "record": "secret@example.com"}\n')
    replay = Replay(str(path), "target-x")
    assert list(replay.records()) == []
    replay.close()
    assert "example.com" not in caplog.text


def test_a_replay_is_not_audited(workplace: Workplace, tmp_path: Path):
    path = written(tmp_path, line_of(1))
    config = {"api_key": "k3y-0123", "audit_path": str(tmp_path / "audit.sqlite")}
    result = workplace.run("target-amplitude", config, "--replay", path, inside=True)
    assert result.code == 1
    assert "Remove 'audit_path'" in result.stderr
