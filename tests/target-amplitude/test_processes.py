"""The target as a process: signals, kills, a slow tap, the summary, the command line."""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import threading
from typing import Any

import pytest

from support.impressions import impression, messages, record_message, schema_message, state_message
from support.processes import Result, Workplace
from support.sandbox import Sandbox


def lines(items: Any) -> str:
    return "".join(json.dumps(item) + "\n" for item in items)


class Running:
    """A target that is being fed, with what it writes kept as it comes."""

    def __init__(self, workplace: Workplace, config: dict[str, Any]) -> None:
        self.process = workplace.start(workplace.command("target-amplitude", config))
        self.states: list[dict[str, Any]] = []
        self.came = threading.Condition()
        self.log = ""
        self.threads = [threading.Thread(target=read, daemon=True) for read in (self._read, self._read_log)]
        for thread in self.threads:
            thread.start()

    def _read(self) -> None:
        for line in self.process.stdout:
            with self.came:
                self.states.append(json.loads(line))
                self.came.notify_all()

    def _read_log(self) -> None:
        self.log = self.process.stderr.read()

    def feed(self, items: Any) -> None:
        self.process.stdin.write(lines(items))
        self.process.stdin.flush()

    def await_state(self) -> dict[str, Any]:
        with self.came:
            assert self.came.wait_for(lambda: self.states, timeout=60)
            return self.states[-1]

    def end(self) -> Result:
        self.process.wait(60)
        for thread in self.threads:
            thread.join(10)
        for pipe in (self.process.stdin, self.process.stdout, self.process.stderr):
            with contextlib.suppress(BrokenPipeError):
                pipe.close()
        return Result(self.process.returncode, lines(self.states), self.log)


def test_state_moves_while_the_tap_is_slow(config, workplace: Workplace, sandbox: Sandbox):
    """A request that is far from full goes out after some seconds, without the end of the input."""
    running = Running(workplace, config)
    running.feed([schema_message(), record_message(impression(0)), state_message(n=1)])
    assert running.await_state() == {"n": 1}
    assert len(sandbox.amplitude_events()) == 1
    running.process.stdin.close()
    assert running.end().code == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_finishes_what_was_taken(number: int, config, workplace: Workplace, sandbox: Sandbox):
    running = Running(workplace, config | {"max_parallel_requests": 1})
    running.feed([*messages((impression(n) for n in range(4000)), every=1000)])
    running.feed([record_message(impression(n)) for n in range(4000, 4100)])
    running.await_state()
    running.process.send_signal(number)
    result = running.end()
    assert result.code == 128 + number
    assert "Traceback" not in result.stderr
    assert result.state == {"read": 4000}
    assert len(sandbox.amplitude_events()) == 4100
    assert result.metrics["records_sent"] == 4100


def test_a_signal_ends_the_wait_for_a_retry(config, workplace: Workplace, sandbox: Sandbox):
    sandbox.plan(path="/batch", kind="status", status=429, times=None, skip=1, headers={"Retry-After": "600"})
    running = Running(workplace, config | {"retry_timeout_seconds": 900, "max_parallel_requests": 1})
    running.feed(messages((impression(n) for n in range(4500)), every=500))
    assert running.await_state() == {"read": 2000}
    sandbox.await_requests(2)
    running.process.send_signal(signal.SIGTERM)
    result = running.end()
    assert result.code == 1
    assert "2,500" in result.stderr
    assert result.state == {"read": 2000}
    assert len(sandbox.amplitude_events()) == 2000


@pytest.mark.parametrize("load_as", ["event", "exposure", "identify"])
def test_killed_in_mid_run_and_resumed_leaves_one_copy(load_as: str, config, workplace: Workplace, sandbox: Sandbox):
    records = [impression(n, key=f"user-{n % 3000}", treatment=f"t{n // 3000}") for n in range(20_000)]
    config |= {"load_as": load_as}
    sandbox.plan(path="/batch", kind="lost", skip=2)
    sandbox.plan(path="/batch", kind="delay", delay_seconds=0.05, times=None)
    done = 0
    for _ in range(3):
        running = Running(workplace, config)
        feeding = threading.Thread(target=feed_quietly, args=(running, records[done:]), daemon=True)
        feeding.start()
        if load_as != "identify":
            running.await_state()
        running.process.kill()
        result = running.end()
        assert result.code == -signal.SIGKILL
        done += (result.state or {"read": 0})["read"]
        feeding.join(10)
    last = workplace.run("target-amplitude", config, messages=messages(records[done:], every=100))
    assert last.code == 0, last.stderr
    if load_as == "identify":
        users = {user["user_id"]: user["user_properties"] for user in sandbox.amplitude_users()}
        assert users == {f"user-{n}": {"checkout_redesign": "t6" if n < 2000 else "t5"} for n in range(3000)}
    else:
        assert done > 0
        mark = "" if load_as == "event" else "-exposure"
        ids = [event["insert_id"] for event in sandbox.amplitude_events()]
        assert sorted(ids) == sorted(record["impression_id"] + mark for record in records)


def feed_quietly(running: Running, records: list[dict[str, Any]]) -> None:
    with contextlib.suppress(BrokenPipeError, ValueError):
        running.feed(messages(records, every=100))


def test_the_closing_summary(config, workplace: Workplace, sandbox: Sandbox):
    sandbox.plan(path="/batch", kind="status", status=500)
    records = [impression(0), impression(1, key=None), impression(2, key="null"), impression(3, label="x" * 2000)]
    result = workplace.run("target-amplitude", config | {"max_parallel_requests": 1}, messages=messages(records))
    assert result.code == 0, result.stderr
    assert result.metrics == {
        "records_read": 4,
        "records_sent": 2,
        "records_deduplicated": 0,
        "records_skipped": 1,
        "records_truncated": 1,
        "records_rejected": 1,
        "http_request_count": 2,
        "http_retry_count": 1,
        "bytes_sent": result.metrics["bytes_sent"],
    }
    said = (
        "Done: 4 read, 2 sent, 0 de-duplicated, 1 skipped (1 no key), 1 truncated (1 text over 1,024 characters), "
        "1 rejected (1 an id that Amplitude forbids), 1 retry, 2 requests"
    )
    assert said in result.stderr
    assert '"metric":"sync_duration"' in result.stderr
    assert "test-api-key" not in result.stderr


def test_the_summary_follows_a_failure(config, workplace: Workplace, sandbox: Sandbox):
    result = workplace.run("target-amplitude", config | {"api_key": "wrong"}, messages=messages([impression(0)]))
    assert result.code == 1
    assert "Stopped: 1 read, 0 sent" in result.stderr
    assert '"status":"failed"' in result.stderr


def test_dry_run_sends_nothing_and_shows_the_first_of_each_kind(config, workplace: Workplace, sandbox: Sandbox):
    users = {"properties": {"user_id": {"type": "string"}, "user_properties": {"type": "object"}}}
    result = workplace.run(
        "target-amplitude",
        config | {"dry_run": True, "mappings": {"users": {"load_as": "identify"}}, "identify_via": "api"},
        messages=[
            {"type": "SCHEMA", "stream": "users", "schema": users, "key_properties": ["user_id"]},
            record_message({"user_id": "ada", "user_properties": {"plan": "gold"}}, "users"),
            *messages([impression(0), impression(1, key="null")]),
        ],
    )
    assert result.code == 0, result.stderr
    assert result.stdout == ""
    assert sandbox.requests() == []
    assert "the first request of events would go to /batch with 1 event in" in result.stderr
    assert "the first request of identifications would go to /identify" in result.stderr
    assert '{"user_id":"ada","user_properties":{"$set":{"plan":"gold"}}}' in result.stderr
    assert "(2 dry run)" in result.stderr
    assert "1 rejected" in result.stderr
    assert "test-api-key" not in result.stderr


def test_the_test_event(config, workplace: Workplace, sandbox: Sandbox):
    result = workplace.run("target-amplitude", config, "--send-test-event")
    assert result.code == 0, result.stderr
    (event,) = sandbox.amplitude_events()
    assert event["event_properties"] == {"test": True}
    assert event["event_type"] in result.stdout
    invalid = {"code": 400, "events_with_invalid_fields": {"time": [0]}}
    throttled = {"code": 429, "throttled_users": {"target-amplitude-test": 31}, "throttled_events": [0]}
    for fault, said in (
        ({"status": 503}, "503"),
        ({"status": 404}, "api_url"),
        ({"status": 403}, "firewall"),
        ({"status": 400, "body": invalid}, "its time is not valid"),
        ({"status": 429, "body": throttled}, "throttled"),
        ({"status": 200, "body": {"code": 200, "events_ingested": 0}}, "counts no event"),
    ):
        sandbox.plan(path="/batch", kind="status", **fault)
        result = workplace.run("target-amplitude", config, "--send-test-event")
        assert result.code == 1
        assert said in result.stderr
    result = workplace.run("target-amplitude", config | {"api_key": "wrong"}, "--send-test-event")
    assert result.code == 1
    assert "api_key" in result.stderr


def test_what_stands_on_the_command_line(workplace: Workplace):
    for arguments in (["--version"], ["--about"], ["--about", "--format=json"], ["--about", "--format=markdown"]):
        result = workplace.run("target-amplitude", None, *arguments)
        assert result.code == 0
        assert "target-amplitude" in result.stdout
    assert "--send-test-event" in workplace.run("target-amplitude", None, "--help").stdout


def test_the_reader_of_states_goes_away(config, workplace: Workplace, sandbox: Sandbox):
    process = workplace.start(workplace.command("target-amplitude", config))
    process.stdout.close()
    _, said = subprocess.Popen.communicate(process, lines(messages(impression(n) for n in range(10))), timeout=60)
    assert process.returncode == 1
    assert "Traceback" not in said
