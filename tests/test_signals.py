"""Every connector ends cleanly, whatever follows the first signal: whole lines, STATE for what is done, the exit code.

Ctrl-C on `meltano run` sends each plugin SIGINT and then SIGTERM; schedulers repeat SIGTERM.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from support.amplitude import event, events_messages
from support.connectors import TAPS, TARGETS, config_of
from support.exports import rows_over
from support.impressions import impression, messages
from support.inside import CLASSES
from support.processes import Workplace
from support.receiver import posted
from support.sandbox import Sandbox
from support.scripted import Answer, Request, scripted

pytestmark = pytest.mark.kind("process")

SEQUENCES = [
    (signal.SIGTERM,),
    (signal.SIGTERM, signal.SIGTERM),
    (signal.SIGINT, signal.SIGTERM),
    (signal.SIGINT, signal.SIGINT, signal.SIGTERM, signal.SIGTERM),
]
AT_ONCE = "plugin.repeats_ignored_seconds = 0.0"


@pytest.fixture(params=SEQUENCES, ids=lambda numbers: "-".join(number.name for number in numbers))
def sequence(request: pytest.FixtureRequest) -> tuple[signal.Signals, ...]:
    numbers: tuple[signal.Signals, ...] = request.param
    return numbers


def tap_config(tap: str, workplace: Workplace, sandbox: Sandbox) -> dict[str, Any]:
    """Settings of a tap with more to read than a pipe holds."""
    sandbox.put_export_rows(rows_over(hours=6, per_hour=300))
    config = config_of(tap, sandbox.url, workplace.folder)
    if tap == "tap-amplitude":
        return config | {"end_date": "2026-03-15", "window_hours": 1}
    workplace.file("in/impressions.jsonl", "".join(json.dumps(posted(number)) + "\n" for number in range(60_000)))
    return config


def tap_command(tap: str, workplace: Workplace, sandbox: Sandbox) -> list[str]:
    config = tap_config(tap, workplace, sandbox)
    found = json.loads(workplace.run(tap, config, "--discover", inside=True).stdout)["streams"]
    catalog = {"streams": [one for one in found if one["stream"] in {"events", "impressions"}]}
    return workplace.command(tap, config, catalog=catalog)


def fifty_records(target: str) -> str:
    """What a target reads: 50 records, STATE behind them."""
    impressions = messages(impression(number) for number in range(50))
    events = events_messages(event(number) for number in range(50))
    return "".join(json.dumps(one) + "\n" for one in (impressions if target == "target-amplitude" else events))


def patched(plugin: str, command: list[str], *statements: str) -> list[str]:
    """A connector's command line, with statements before the connector runs; `plugin` is its class."""
    module, name = CLASSES[plugin]
    code = "; ".join([f"from {module} import {name} as plugin", *statements, "plugin.cli()"])
    return [sys.executable, "-c", code, *command[1:]]


@dataclass
class Reading:
    """What a tap writes, read by a thread from the moment that it is wanted."""

    process: subprocess.Popen[str]

    def rest(self) -> tuple[list[str], str]:
        said: list[str] = []
        assert self.process.stderr is not None
        assert self.process.stdout is not None
        log = threading.Thread(target=lambda: said.append(self.process.stderr.read()))
        log.start()
        lines = self.process.stdout.readlines()
        log.join()
        self.process.wait(60)
        return lines, said[0]


@pytest.mark.parametrize("tap", TAPS)
def test_a_tap_leaves_whole_lines_and_state(
    tap: str, sequence: tuple[signal.Signals, ...], workplace: Workplace, sandbox: Sandbox
):
    with workplace.start(tap_command(tap, workplace, sandbox)) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(400)]
        for number in sequence:
            process.send_signal(number)
        more, log = Reading(process).rest()
    lines += more
    assert process.returncode == 128 + sequence[0], log
    assert "Traceback" not in log
    assert all(line.endswith("\n") for line in lines)
    kinds = Counter(json.loads(line)["type"] for line in lines)
    assert kinds["STATE"] >= 1
    assert kinds["RECORD"] >= 300


@pytest.mark.parametrize("tap", TAPS)
def test_a_tap_whose_reader_does_not_read_ends_at_the_first_signal(tap: str, workplace: Workplace, sandbox: Sandbox):
    with workplace.start(tap_command(tap, workplace, sandbox)) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        wait_until_asleep(process.pid)
        process.send_signal(signal.SIGTERM)
        process.wait(60)
        assert process.returncode == 128 + signal.SIGTERM, process.stderr.read()


def wait_until_asleep(pid: int) -> None:
    """Wait until a process has written what its pipe takes: then it only polls, and uses no processor time."""
    pause = threading.Event()
    used = [""]
    while used != (now := Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rsplit(")", 1)[1].split()[11:13]):
        used = now
        pause.wait(0.5)


@pytest.mark.parametrize("target", TARGETS)
def test_a_target_delivers_what_it_took_and_writes_state(
    target: str, sequence: tuple[signal.Signals, ...], workplace: Workplace, sandbox: Sandbox
):
    with workplace.start(workplace.command(target, config_of(target, sandbox.url, workplace.folder))) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(fifty_records(target))
        process.stdin.flush()
        first = process.stdout.readline()  # it waits for more input now
        for number in sequence:
            process.send_signal(number)
        more, log = Reading(process).rest()
    assert process.returncode == 128 + sequence[0], log
    assert "Traceback" not in log
    assert "Stopped:" in log
    states = [json.loads(line) for line in [first, *more]]
    assert states


@pytest.mark.parametrize("are_there_records", [False, True], ids=["state", "records"])
@pytest.mark.parametrize("target", TARGETS)
def test_a_target_whose_states_nobody_reads_ends_at_the_first_signal(
    target: str, workplace: Workplace, sandbox: Sandbox, *, are_there_records: bool
):
    state = {"type": "STATE", "value": {"bookmark": "x" * (2 << 20)}}  # more than a pipe holds
    with workplace.start(workplace.command(target, config_of(target, sandbox.url, workplace.folder))) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        # Behind records, the thread writes it that delivers them.
        records = fifty_records(target).rpartition('{"type": "STATE"')[0] if are_there_records else ""
        process.stdin.write(records + json.dumps(state) + "\n")
        process.stdin.flush()
        begun = process.stdout.read(10)
        wait_until_asleep(process.pid)
        process.send_signal(signal.SIGTERM)
        process.wait(60)
        log = process.stderr.read()
    assert begun == '{"bookmark'
    assert process.returncode == 128 + signal.SIGTERM, log
    assert "STATE was not written: the program that reads it takes nothing" in log
    assert "Stopped:" in log


@pytest.mark.parametrize("tap", TAPS)
def test_a_repeat_kills_a_tap_that_hangs(tap: str, workplace: Workplace, sandbox: Sandbox):
    never = f"import {CLASSES[tap][0].partition('.')[0]}.common.stdout as stdout; stdout.BLOCKED_SECONDS = 600"
    command = patched(tap, tap_command(tap, workplace, sandbox), AT_ONCE, never)
    with workplace.start(command) as process:
        assert process.stdout is not None
        process.stdout.readline()
        wait_until_asleep(process.pid)
        process.send_signal(signal.SIGINT)
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == -signal.SIGTERM


@pytest.mark.parametrize("target", TARGETS)
def test_a_repeat_kills_a_target_that_hangs(target: str, workplace: Workplace):
    asked, released = threading.Event(), threading.Event()

    def hang(_: Request) -> Answer:
        asked.set()
        released.wait(60)
        return Answer(status=500)

    with scripted(hang) as server:
        command = workplace.command(target, config_of(target, server.url, workplace.folder))
        with workplace.start(patched(target, command, AT_ONCE)) as process:
            assert process.stdin is not None
            process.stdin.write(fifty_records(target))
            process.stdin.flush()
            assert asked.wait(60)
            process.send_signal(signal.SIGINT)
            wait_until_asleep(process.pid)  # of two at once, the second may go to a thread that wakes nobody
            process.send_signal(signal.SIGTERM)
            assert process.wait(60) == -signal.SIGTERM
        released.set()


@pytest.mark.parametrize("connector", [*TAPS, *TARGETS])
def test_an_interrupt_while_a_connector_starts_is_no_traceback(connector: str):
    # So verbose that Python waits for its reader long before all is imported.
    command = [sys.executable, "-v", "-m", connector.replace("-", "_"), "--about"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert any("import 'singer_sdk" in line for line in process.stderr)
        process.send_signal(signal.SIGINT)
        stdout, stderr = process.communicate()
    assert process.returncode == -signal.SIGINT
    assert stdout == ""
    assert "Traceback" not in stderr
