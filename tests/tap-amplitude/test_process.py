"""tap-amplitude as a process: its command line, its exit codes, and what a kill leaves behind."""

from __future__ import annotations

import json
import resource
import signal
import subprocess
import threading
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from support.exports import export_row, rows_over
from support.processes import Workplace
from support.sandbox import Sandbox
from support.scripted import Answer, Request, scripted
from support.sockets import free_port

EXPORT = "/api/2/export"


@pytest.fixture
def config(sandbox: Sandbox, keys: dict[str, str], tmp_path: Path) -> dict[str, Any]:
    return {
        **keys,
        "api_url": sandbox.url,
        "start_date": "2026-03-14",
        "end_date": "2026-03-15",
        "spool_directory": str(tmp_path / "spool"),
    }


@pytest.fixture
def events_only(workplace: Workplace, keys: dict[str, str]) -> dict[str, Any]:
    catalog = json.loads(workplace.run("tap-amplitude", keys, "--discover").stdout)
    return {"streams": [stream for stream in catalog["streams"] if stream["stream"] == "events"]}


def until_state(process: subprocess.Popen[str], count: int) -> list[dict[str, Any]]:
    """Read a tap's messages until it has moved the bookmark of events so many times."""
    assert process.stdout
    messages: list[dict[str, Any]] = []
    for line in process.stdout:
        messages.append(json.loads(line))
        if messages[-1]["type"] == "STATE" and "events" in messages[-1]["value"]["bookmarks"]:
            count -= 1
            if count == 0:
                return messages
    raise AssertionError("the tap ended too early")


def rest_of(process: subprocess.Popen[str]) -> tuple[list[str], str]:
    """The lines a tap still writes, and all it says, up to its end."""
    with process:
        assert process.stdout
        assert process.stderr
        return process.stdout.readlines(), process.stderr.read()


def behind(messages: list[dict[str, Any]]) -> tuple[Counter[str], dict[str, Any]]:
    """The rows that stand before the last state, and that state."""
    last = max(index for index, message in enumerate(messages) if message["type"] == "STATE")
    rows = Counter(m["record"]["uuid"] for m in messages[:last] if m["type"] == "RECORD")
    return rows, messages[last]["value"]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGKILL, -9), (signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_run_that_was_stopped_goes_on_where_it_was(
    sandbox: Sandbox, workplace: Workplace, config: dict[str, Any], events_only: dict[str, Any], number: int, code: int
) -> None:
    rows = rows_over(hours=6, per_hour=200)
    sandbox.put_export_rows(rows)
    process = workplace.start(workplace.command("tap-amplitude", config | {"window_hours": 3}, catalog=events_only))
    messages = until_state(process, 2)
    process.send_signal(number)  # the tap is in the middle of an hour: the pipe holds far less than one
    lines, stderr = rest_of(process)
    assert process.returncode == code
    assert "Traceback" not in stderr
    assert all(line.endswith("\n") for line in lines) or number == signal.SIGKILL
    messages += [json.loads(line) for line in lines if line.endswith("\n")]
    done, state = behind(messages)
    assert done == Counter(row["uuid"] for row in rows[: 200 * (len(done) // 200)])
    resumed = workplace.run("tap-amplitude", config, state=state, catalog=events_only)
    assert resumed.code == 0
    assert done + Counter(r["uuid"] for r in resumed.records("events")) == Counter(row["uuid"] for row in rows)
    assert list((workplace.folder / "spool").iterdir()) == []
    if number != signal.SIGKILL:
        assert "Stopped by a signal" in stderr
        assert "METRIC" in stderr


def test_a_signal_while_an_archive_is_awaited_ends_at_once(
    sandbox: Sandbox, workplace: Workplace, config: dict[str, Any], events_only: dict[str, Any]
) -> None:
    sandbox.put_export_rows(rows_over(hours=2, per_hour=2))
    sandbox.plan(path=EXPORT, when="start=20260314T01", kind="delay", delay_seconds=30)
    command = workplace.command("tap-amplitude", config | {"window_hours": 1}, catalog=events_only)
    process = workplace.start(command)
    until_state(process, 1)
    process.terminate()
    rest_of(process)
    assert process.returncode == 143


def test_a_signal_after_empty_windows_leaves_their_state(
    workplace: Workplace, config: dict[str, Any], events_only: dict[str, Any]
) -> None:
    reached, stopped = threading.Event(), threading.Event()

    def answer(request: Request) -> Answer:
        if "start=20260314T03" in request.query:
            reached.set()
            stopped.wait(60)
        return Answer(b"Raw data files were not found.", 404)

    with scripted(answer) as server:
        settings = config | {"api_url": server.url, "window_hours": 1, "max_parallel_windows": 1}
        process = workplace.start(workplace.command("tap-amplitude", settings, catalog=events_only))
        assert reached.wait(60)  # with one window at a time, those before it have been passed
        process.terminate()
        lines, _ = rest_of(process)
        stopped.set()
    assert process.returncode == 143
    state = json.loads(lines[-1])["value"]
    assert state["bookmarks"]["events"]["replication_key_value"] == "2026-03-14T03:00:00+00:00"


def test_the_reader_going_away_is_one_sentence(
    sandbox: Sandbox, workplace: Workplace, config: dict[str, Any], events_only: dict[str, Any]
) -> None:
    sandbox.put_export_rows(rows_over(hours=4, per_hour=200))
    process = workplace.start(workplace.command("tap-amplitude", config, catalog=events_only))
    assert process.stdout
    assert process.stderr
    process.stdout.readline()
    process.stdout.close()
    with process:
        said = process.stderr.read()
    assert process.returncode == 1, said
    assert "stopped" in said
    assert "Traceback" not in said


def test_a_full_disk_is_one_sentence(
    sandbox: Sandbox, workplace: Workplace, config: dict[str, Any], events_only: dict[str, Any]
) -> None:
    sandbox.put_export_rows([export_row(1, event_properties={"long": "".join(map(str, range(40_000)))})])

    def small_files() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))

    command = workplace.command("tap-amplitude", config, catalog=events_only)
    process = workplace.start(command, preexec_fn=small_files)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "The disk is full" in stderr
    assert "'spool_directory'" in stderr
    assert "Traceback" not in stderr


def test_an_amplitude_that_cannot_be_reached_is_said_within_seconds(
    workplace: Workplace, config: dict[str, Any], events_only: dict[str, Any]
) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    result = workplace.run("tap-amplitude", config | {"api_url": url}, catalog=events_only)
    assert result.code == 1
    assert "'api_url'" in result.stderr
    assert "Traceback" not in result.stderr
    assert result.metrics["http_retry_count"] >= 2


def test_a_wrong_key_is_one_sentence(workplace: Workplace, config: dict[str, Any]) -> None:
    result = workplace.run("tap-amplitude", config | {"api_key": "wrong-key"})
    assert result.code == 1
    errors = [line for line in result.stderr.splitlines() if "ERROR" in line]
    assert len(errors) == 1
    assert "'api_key'" in errors[0]
    assert "wrong-key" not in result.stderr


@pytest.mark.parametrize(
    ("settings", "words"), [({"api_key": None}, "Setting 'api_key' is missing."), ({"api_url": "no url"}, "'api_url'")]
)
def test_a_bad_setting_is_one_sentence(
    workplace: Workplace, config: dict[str, Any], settings: dict[str, Any], words: str
) -> None:
    chosen = {name: value for name, value in (config | settings).items() if value is not None}
    result = workplace.run("tap-amplitude", chosen)
    assert result.code == 1
    (error,) = (line for line in result.stderr.splitlines() if "ERROR" in line)
    assert words in error
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ([1], "must hold one JSON object"),
        ({"bookmarks": None}, "'bookmarks'"),
        ({"bookmarks": {"events": 5}}, "'bookmarks'"),
        ({"events": "2026-03-14"}, "no object 'bookmarks'"),
        ({"bookmarks": {"events": {"replication_key_value": "soon"}}}, "'soon', which is not a time"),
        ({"bookmarks": {"events": {"replication_key_value": "2062-01-01T00:00:00Z"}}}, "lies in the future"),
    ],
)
def test_a_senseless_state_is_one_sentence(
    workplace: Workplace, config: dict[str, Any], events_only: dict[str, Any], state: Any, words: str
) -> None:
    result = workplace.run("tap-amplitude", config, state=state, catalog=events_only)
    assert result.code == 1
    assert words in result.stderr
    assert "Traceback" not in result.stderr


def test_a_state_of_another_tap_or_hand_is_taken(
    sandbox: Sandbox, workplace: Workplace, config: dict[str, Any], events_only: dict[str, Any]
) -> None:
    sandbox.put_export_rows(rows_over(hours=3, per_hour=1))
    bookmark = {"replication_key": "server_upload_time", "replication_key_value": "2026-03-14 01:17:05.123456"}
    result = workplace.run("tap-amplitude", config, state={"bookmarks": {"events": bookmark}}, catalog=events_only)
    assert [record["export_hour"][11:13] for record in result.records("events")] == ["01", "02"]
    assert result.state == {
        "bookmarks": {
            "events": {"replication_key": "export_hour", "replication_key_value": "2026-03-15T00:00:00+00:00"}
        }
    }


def test_without_start_date_and_state_the_stream_says_so(
    workplace: Workplace, config: dict[str, Any], events_only: dict[str, Any]
) -> None:
    del config["start_date"]
    result = workplace.run("tap-amplitude", config, catalog=events_only)
    assert result.code == 1
    assert "'start_date' is missing" in result.stderr


def test_discovery_names_all_streams_without_any_request(sandbox: Sandbox, workplace: Workplace) -> None:
    result = workplace.run("tap-amplitude", {"api_url": sandbox.url}, "--discover")
    streams = {stream["stream"]: stream for stream in json.loads(result.stdout)["streams"]}
    assert set(streams) == {
        *("events", "cohorts", "cohort_members", "events_list", "event_properties", "user_properties"),
        *("event_categories", "annotations", "active_users", "average_session_length"),
        *("cohort_changes", "merged_amplitude_ids"),
    }
    assert streams["events"]["key_properties"] == ["uuid"]
    assert streams["events"]["replication_key"] == "export_hour"
    assert len(streams["events"]["schema"]["properties"]) == 56
    assert sandbox.requests() == []


def test_deselected_fields_are_not_sent(
    sandbox: Sandbox, workplace: Workplace, config: dict[str, Any], events_only: dict[str, Any]
) -> None:
    sandbox.put_export_rows([export_row(1)])
    for entry in events_only["streams"][0]["metadata"]:
        if entry["breadcrumb"] in (["properties", "user_id"], ["properties", "user_properties"]):
            entry["metadata"]["selected"] = False
    result = workplace.run("tap-amplitude", config, catalog=events_only)
    (record,) = result.records("events")
    assert len(record) == 54
    assert not {"user_id", "user_properties"} & record.keys()
    (schema,) = result.of_type("SCHEMA")
    assert "user_id" not in schema["schema"]["properties"]


def test_test_mode_takes_one_record_and_moves_nothing(
    sandbox: Sandbox, workplace: Workplace, config: dict[str, Any]
) -> None:
    sandbox.put_export_rows(rows_over(hours=1, per_hour=5))
    result = workplace.run("tap-amplitude", config, "--test")
    assert result.code == 0
    assert len(result.records("events")) == 1
    assert "replication_key_value" not in str((result.state or {}).get("bookmarks", {}).get("events"))


def test_the_summary_says_what_was_done(
    sandbox: Sandbox, workplace: Workplace, config: dict[str, Any], events_only: dict[str, Any]
) -> None:
    sandbox.put_export_rows(rows_over(hours=2, per_hour=10))
    result = workplace.run("tap-amplitude", config | {"window_hours": 2}, catalog=events_only)
    assert result.code == 0
    (summary,) = (line for line in result.stderr.splitlines() if "| Done: " in line)
    for words in ("20 events", "2 hours with events", "11 windows without events", "12 requests"):
        assert words in summary
    assert result.metrics["record_count"] == 20
    assert result.metrics["http_request_count"] == 12
    assert result.metrics["http_retry_count"] == 0
    assert result.metrics["records_skipped"] == 0


def test_a_second_signal_ends_a_run_whose_reader_does_not_read(
    sandbox: Sandbox, workplace: Workplace, config: dict[str, Any], events_only: dict[str, Any]
) -> None:
    sandbox.put_export_rows(rows_over(hours=2, per_hour=500))
    process = workplace.start(workplace.command("tap-amplitude", config, catalog=events_only))
    until_state(process, 1)
    process.send_signal(signal.SIGTERM)
    process.send_signal(signal.SIGTERM)
    _, stderr = rest_of(process)
    assert process.returncode == 143
    assert "Traceback" not in stderr


def test_a_small_disk_is_one_sentence(
    sandbox: Sandbox, workplace: Workplace, config: dict[str, Any], events_only: dict[str, Any]
) -> None:
    folder = workplace.folder / "small"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("only root may make a small disk")
    try:
        sandbox.put_export_rows(rows_over(hours=2, per_hour=5))
        result = workplace.run("tap-amplitude", config | {"spool_directory": str(folder)}, catalog=events_only)
        left = list(folder.iterdir())
    finally:
        subprocess.run(["umount", str(folder)], check=True)
    assert result.code == 1
    (error,) = (line for line in result.stderr.splitlines() if "ERROR" in line)
    assert "The disk is full" in error
    assert "'spool_directory'" in error
    assert "Traceback" not in result.stderr
    assert left == []
