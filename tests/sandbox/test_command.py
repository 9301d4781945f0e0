"""The executable: start, stop, restart, and what it says."""

from __future__ import annotations

import signal
import socket
import subprocess
from pathlib import Path
from typing import Any

import pytest
import requests

from support.processes import BIN
from support.sandbox import Sandbox
from support.sockets import free_port

COMMAND = str(BIN / "split-amplitude-sandbox")


def start(*options: str) -> subprocess.Popen[str]:
    return subprocess.Popen([COMMAND, "serve", *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.mark.parametrize("sign", [signal.SIGTERM, signal.SIGINT])
def test_it_prints_where_it_listens_and_stops_quietly(sign: signal.Signals) -> None:
    port = free_port()
    process = start("--port", str(port))
    assert process.stdout
    assert f"http://127.0.0.1:{port}" in process.stdout.readline()
    process.send_signal(sign)
    assert process.communicate(timeout=30) == ("", "")
    assert process.returncode == 0


def test_a_stop_does_not_wait_for_open_requests(sandbox: Sandbox) -> None:
    waiting = Sandbox()
    waiting.plan(kind="delay", delay_seconds=3600)
    with socket.create_connection(("127.0.0.1", waiting.port)) as client:
        client.sendall(b"GET /batch HTTP/1.1\r\nHost: sandbox\r\n\r\n")
        waiting.await_requests()
        waiting.stop()
    assert waiting.process.returncode == 0


def test_a_port_in_use_is_a_one_line_error(sandbox: Sandbox) -> None:
    process = start("--port", str(sandbox.port))
    stdout, stderr = process.communicate(timeout=30)
    assert process.returncode == 1
    assert stdout == ""
    assert stderr.count("\n") == 1
    assert str(sandbox.port) in stderr


def test_a_data_folder_that_is_a_file_is_a_one_line_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    process = start("--port", str(free_port()), "--data", str(tmp_path / "file"))
    _, stderr = process.communicate(timeout=30)
    assert process.returncode == 1
    assert stderr.count("\n") == 1
    assert "--data" in stderr


def test_it_logs_requests_on_demand() -> None:
    port = free_port()
    process = start("--port", str(port), "--verbose")
    assert process.stdout
    process.stdout.readline()
    requests.get(f"http://127.0.0.1:{port}/_sandbox/faults", timeout=30)
    process.terminate()
    stdout, stderr = process.communicate(timeout=30)
    assert "/_sandbox/faults" in stdout + stderr


def test_the_version_is_shown() -> None:
    shown = subprocess.run([COMMAND, "--version"], capture_output=True, text=True, check=True)
    assert shown.stdout.startswith("split-amplitude-sandbox ")


def contents(sandbox: Sandbox) -> list[Any]:
    return [
        sandbox.amplitude_events(),
        sandbox.amplitude_users(),
        sandbox.amplitude_identifications(),
        sandbox.split_events(),
        sandbox.split_segments(),
    ]


@pytest.mark.parametrize("kill", [False, True])
def test_data_survives_a_restart(tmp_path: Path, kill: bool) -> None:
    first = Sandbox(data=tmp_path / "data")
    event = {"event_type": "seen", "user_id": "user-0042", "insert_id": "one", "user_properties": {"plan": "gold"}}
    body = {"api_key": "test-api-key", "events": [event]}
    first.http.post(first.url + "/batch", json=body)
    form = {"api_key": "test-api-key", "identification": '{"user_id": "user-0007", "user_properties": {"a": 1}}'}
    first.http.post(first.url + "/identify", data=form)
    split_event = {"eventTypeId": "seen", "trafficTypeName": "user", "key": "key", "timestamp": 1_767_261_655_000}
    first.http.post(first.url + "/api/events", json=split_event, headers={"Authorization": "Bearer test-key"})
    first.call("POST", "/split/segments", [{"name": "planted", "environment_id": "env-dev", "keys": ["a"]}])
    first.call("POST", "/split/workspaces", [{"id": "ws-demo", "name": "Renamed"}])
    before = contents(first)
    assert all(before)
    if kill:
        first.process.kill()
    first.stop()
    second = Sandbox(data=tmp_path / "data")
    assert contents(second) == before
    second.http.post(second.url + "/batch", json=body)
    assert len(second.amplitude_events()) == 1
    workspaces = second.http.get(
        second.url + "/internal/api/v2/workspaces", headers={"Authorization": "Bearer test-key"}
    )
    assert [one["name"] for one in workspaces.json()["objects"]] == ["Renamed"]
    second.reset()
    assert contents(second) == [[], [], [], [], []]
    second.stop()
