"""The tap as a process: its command line, its exit codes, and runs that end early."""

from __future__ import annotations

import gzip
import json
import os
import signal
import subprocess
import threading
from pathlib import Path
from typing import Any

import pytest
from singer_sdk.testing import SuiteConfig, get_tap_test_class

from support.processes import Result, Workplace
from support.receiver import Run, Write, numbers_of, posted
from support.waiting import await_true
from tap_split_impressions.tap import TapSplitImpressions

TAP = "tap-split-impressions"
SEALED = "impressions-20260101T100000Z-0123456789ab-{:06}.jsonl"


def test_a_file_that_settles_soon_is_awaited(workplace: Workplace, folder: Path, write: Write) -> None:
    write("fresh.jsonl", [1])
    result = workplace.run(TAP, {"path": str(folder)})
    assert numbers_of(result) == [1]


def stopped_after(workplace: Workplace, folder: Path, lines: int, number: signal.Signals) -> Result:
    """Run the tap, send a signal when so many lines have come, take what still comes."""
    process = workplace.start(workplace.command(TAP, {"path": str(folder), "settle_seconds": 0}))
    said: list[str] = []
    reader = threading.Thread(target=lambda: said.append(process.stderr.read()))
    reader.start()
    received = [process.stdout.readline() for _ in range(lines)]
    process.send_signal(number)
    received += process.stdout.readlines()
    reader.join()
    code = process.wait(timeout=30)
    for pipe in (process.stdin, process.stdout, process.stderr):
        pipe.close()
    whole = [line for line in received if line.endswith("\n")]
    return Result(code, "".join(whole), said[0])


def test_sigterm_ends_with_an_exact_state(workplace: Workplace, folder: Path, write: Write, run: Run) -> None:
    write("large.jsonl", range(60_000))
    stopped = stopped_after(workplace, folder, 5000, signal.SIGTERM)
    assert stopped.code == 143
    assert "Stopped: " in stopped.stderr
    sent = numbers_of(stopped)
    assert 5000 <= len(sent) < 60_000
    rest = numbers_of(run(stopped.state))
    assert sent + rest == list(range(60_000))


def test_sigterm_while_the_next_program_is_slow_cuts_no_line(
    workplace: Workplace, folder: Path, write: Write, run: Run
) -> None:
    write("large.jsonl", range(20_000))
    process = workplace.start(workplace.command(TAP, {"path": str(folder), "settle_seconds": 0}))
    await_full(process)
    process.terminate()
    await_stopping(process)
    stdout, stderr = process.communicate(timeout=30)
    stopped = Result(process.returncode, stdout, stderr)
    assert stopped.code == 143
    assert numbers_of(stopped) + numbers_of(run(stopped.state)) == list(range(20_000))


def await_full(process: subprocess.Popen[str]) -> None:
    """Wait until a process sleeps in a write, since nobody reads what it has written."""
    await_true(lambda: "pipe_write" in Path(f"/proc/{process.pid}/wchan").read_text())


def await_stopping(process: subprocess.Popen[str]) -> None:
    """Wait until a signal has ended that sleep."""
    await_true(lambda: "pipe_write" not in Path(f"/proc/{process.pid}/wchan").read_text())


def test_a_second_signal_ends_it_without_a_state(workplace: Workplace, folder: Path, write: Write) -> None:
    write("large.jsonl", range(20_000))
    process = workplace.start(workplace.command(TAP, {"path": str(folder), "settle_seconds": 0}))
    await_full(process)
    process.terminate()
    await_stopping(process)
    process.terminate()
    assert process.wait(timeout=30) == 143
    assert "STATE" not in process.communicate()[0]


@pytest.mark.parametrize("lines", [12_000, 30_000])
def test_sigkill_loses_nothing(workplace: Workplace, folder: Path, write: Write, run: Run, lines: int) -> None:
    for file in range(5):
        write(f"{file}.jsonl", range(file * 10_000, (file + 1) * 10_000))
    killed = stopped_after(workplace, folder, lines, signal.SIGKILL)
    assert killed.code == -signal.SIGKILL
    messages = killed.messages
    last = max(at for at, message in enumerate(messages) if message["type"] == "STATE")
    before = [m["record"]["impression_id"] for m in messages[:last] if m["type"] == "RECORD"]
    rest = [record["impression_id"] for record in run(messages[last]["value"]).records("impressions")]
    assert len(before) + len(rest) == len(set(before) | set(rest)) == 50_000


def test_a_damaged_file_is_named_and_the_rest_delivered(
    workplace: Workplace, folder: Path, write: Write, run: Run
) -> None:
    (folder / "damaged.parquet").write_bytes(b"PAR1 and then nothing")
    write("good.jsonl", [1])
    settings = {"path": str(folder), "settle_seconds": 0}
    for state, expected in ((None, [1]), ({}, [1])):
        result = workplace.run(TAP, settings, state=state)
        assert result.code == 1
        assert numbers_of(result) == expected
        assert "damaged.parquet is cut off, damaged or" in result.stderr
        assert "Traceback" not in result.stderr
    again = workplace.run(TAP, settings, state=result.state)
    assert (again.code, numbers_of(again)) == (1, [])
    (folder / "damaged.parquet").unlink()
    write("repaired.jsonl", [2])
    assert numbers_of(run(again.state)) == [2]


def test_cut_gzip_goes_on_where_it_stopped_when_it_is_repaired_in_place(
    workplace: Workplace, folder: Path, run: Run
) -> None:
    whole = gzip.compress("".join(json.dumps(posted(number)) + "\n" for number in range(30_000)).encode())
    (folder / "a.jsonl.gz").write_bytes(whole[: len(whole) // 2])
    first = workplace.run(TAP, {"path": str(folder), "settle_seconds": 0})
    assert first.code == 1
    sent = numbers_of(first)
    assert sent == list(range(len(sent)))
    again = workplace.run(TAP, {"path": str(folder), "settle_seconds": 0}, state=first.state)
    assert (again.code, numbers_of(again)) == (1, [])
    (folder / "a.jsonl.gz").write_bytes(whole)
    assert set(sent) | set(numbers_of(run(again.state))) == set(range(30_000))


def test_a_file_that_may_not_be_read(workplace: Workplace, folder: Path, write: Write, run: Run) -> None:
    write("a.jsonl", [1])
    (folder / "b.jsonl").symlink_to("/nonexistent/b.jsonl")
    assert numbers_of(run()) == [1]
    if os.getuid():
        write("c.jsonl", [2]).chmod(0)
        assert workplace.run(TAP, {"path": str(folder), "settle_seconds": 0}).code == 1


def test_stream_maps_and_selection_change_what_goes_out(
    workplace: Workplace, folder: Path, write: Write, run: Run
) -> None:
    write("a.jsonl", range(5))
    plain = run()
    mapped = run(stream_maps={"impressions": {"key": "'hidden'", "__alias__": "exposures"}})
    assert {record["key"] for record in mapped.records("exposures")} == {"hidden"}
    assert [record["impression_id"] for record in mapped.records("exposures")] == [
        record["impression_id"] for record in plain.records("impressions")
    ]
    assert mapped.state["bookmarks"] == plain.state["bookmarks"]

    catalog = json.loads(workplace.run(TAP, None, "--discover").stdout)
    for entry in catalog["streams"][0]["metadata"]:
        entry["metadata"]["selected"] = entry["breadcrumb"] != ["properties", "machine_ip"]
    selected = workplace.run(TAP, {"path": str(folder), "settle_seconds": 0}, catalog=catalog)
    assert len(selected.records("impressions")) == 5
    assert not any("machine_ip" in record for record in selected.records("impressions"))


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({}, "Setting 'path' is missing."),
        ({"path": 5}, "Setting 'path' must be a string."),
        ({"path": "."}, None),
        ({"path": "nowhere"}, "Setting 'path': there is no folder nowhere."),
        ({"path": "what://ever"}, "Setting 'path': what://ever cannot be opened: Protocol not known: what"),
        ({"path": ".", "start_date": "soon"}, "Setting 'start_date' must be a time such as 2026-01-31T00:00:00Z."),
        (
            {"path": ".", "start_date": "2026-01-02", "end_date": "2026-01-01"},
            "Setting 'end_date' must be later than 'start_date'.",
        ),
        ({"path": ".", "csv_columns": {"kee": "Key"}}, "Setting 'csv_columns': there is no field kee"),
        ({"path": ".", "settle_seconds": -1}, "Setting 'settle_seconds' breaks the rule 'minimum: 0'."),
        (
            {"path": ".", "admin_api_key": "test-admin-key"},
            "Setting 'workspace_id' (or 'organization' and 'project') is missing; 'admin_api_key' needs it.",
        ),
    ],
)
def test_settings_are_checked_in_sentences(
    workplace: Workplace, settings: dict[str, Any], sentence: str | None
) -> None:
    result = workplace.run(TAP, settings)
    assert result.code == (1 if sentence else 0)
    assert (sentence or "") in result.stderr
    assert "Traceback" not in result.stderr
    assert "test-admin-key" not in result.stderr


@pytest.mark.parametrize(
    ("bookmark", "sentence"),
    [
        ({"read_until": "gestern"}, "The state of stream 'impressions' cannot be understood."),
        (
            {
                "folder": "/data",
                "read_until": 4_000_000_000,
                "directories": [],
                "read_since": "",
                "older": {"count": 0, "by_name": "0", "by_inode": "0"},
                "unfinished": {},
            },
            "arrived later than now",
        ),
    ],
)
def test_a_wrong_state_is_refused(workplace: Workplace, folder: Path, bookmark: dict[str, Any], sentence: str) -> None:
    state = {"bookmarks": {"impressions": bookmark}}
    result = workplace.run(TAP, {"path": str(folder)}, state=state)
    assert result.code == 1
    assert sentence in result.stderr
    assert "Traceback" not in result.stderr


def test_discover_about_and_version(workplace: Workplace) -> None:
    catalog = json.loads(workplace.run(TAP, None, "--discover").stdout)
    assert [stream["tap_stream_id"] for stream in catalog["streams"]] == ["impressions"]
    about = json.loads(workplace.run(TAP, None, "--about", "--format=json").stdout)
    assert about["settings"]["required"] == ["path"]
    assert about["settings"]["properties"]["admin_api_key"]["secret"]
    assert workplace.run(TAP, None, "--version").code == 0


def test_a_test_run_stops_after_one_record(workplace: Workplace, folder: Path, write: Write) -> None:
    write("a.jsonl", range(50))
    result = workplace.run(TAP, {"path": str(folder), "settle_seconds": 0}, "--test")
    assert result.code == 0, result.stderr
    assert len(result.records("impressions")) == 1


SAMPLES = Path(__file__).parent / "samples"


class TestStandard(
    get_tap_test_class(
        TapSplitImpressions,
        config={"path": str(SAMPLES), "settle_seconds": 0},
        suite_config=SuiteConfig(ignore_no_records_for_streams=[]),
    )
):
    """The SDK's standard tests."""
