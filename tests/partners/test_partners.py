"""Taps, targets and mappers that nobody here wrote, each in an environment of its own (`make .partners/.installed`)."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from faults.pipelines.base import selection

from demo import data
from support.amplitude import event
from support.processes import BIN, Workplace
from support.sandbox import Sandbox

ROOT = Path(__file__).parents[2]
PARTNERS = ROOT / ".partners"
pytestmark = [
    pytest.mark.kind("process"),
    pytest.mark.skipif(not PARTNERS.exists(), reason="make .partners/.installed installs the partners"),
]
IMPRESSIONS, HOURS = 300, 2
MAPPINGS = {"orders": {"event_type": "Order", "user_id": "user", "key": "user", "time": "at"}}


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[bytes, int]]:
    """What each tap writes, and how many records of its main stream."""
    folder = tmp_path_factory.mktemp("taps")
    sandbox = Sandbox("--upload-time-offset=-21600")
    try:
        hour = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - timedelta(hours=HOURS + 5)
        rows = data.product_events(hour, HOURS)
        sandbox.put_export_rows(rows)
        (folder / "impressions").mkdir()
        lines = "".join(json.dumps(row) + "\n" for row in data.impressions(datetime.now(UTC))[:IMPRESSIONS])
        (folder / "impressions" / "a.jsonl").write_text(lines, encoding="utf-8")
        settings: dict[str, dict[str, Any]] = {
            "tap-amplitude": {
                "api_url": sandbox.url,
                "api_key": "key",
                "secret_key": "secret",
                "start_date": (hour - timedelta(hours=1)).isoformat(),
            },
            "tap-split-impressions": {"path": str(folder / "impressions"), "settle_seconds": 0},
        }
        output = {}
        for tap, config in settings.items():
            path = folder / f"{tap}.json"
            path.write_text(json.dumps(config), encoding="utf-8")
            command = [str(BIN / tap), "--config", str(path)]
            if tap == "tap-amplitude":
                (folder / "catalog.json").write_text(json.dumps(selection("events", "events_list")), encoding="utf-8")
                command += ["--catalog", str(folder / "catalog.json")]
            output[tap] = subprocess.run(command, capture_output=True, check=True).stdout
    finally:
        sandbox.stop()
    return {
        "tap-amplitude": (output["tap-amplitude"], len(rows)),
        "tap-split-impressions": (output["tap-split-impressions"], IMPRESSIONS),
    }


STREAMS = {"tap-amplitude": "events", "tap-split-impressions": "impressions"}
both_taps = pytest.mark.parametrize("tap", STREAMS)


def run(program: str, *arguments: str, given: bytes = b"", folder: Path) -> subprocess.CompletedProcess[bytes]:
    command = [str(PARTNERS / program / "bin" / program), *arguments]
    result = subprocess.run(command, input=given, capture_output=True, cwd=folder, timeout=120, check=False)
    assert result.returncode == 0, result.stderr[-3000:].decode()
    return result


def lines_of_jsonl(folder: Path, stream: str) -> int:
    (path,) = folder.glob(f"{stream}-*.jsonl")
    return len(path.read_text("utf-8").splitlines())


def rows_of_csv(folder: Path, stream: str) -> int:
    with (folder / f"{stream}.csv").open(newline="", encoding="utf-8") as file:
        return sum(1 for _ in csv.DictReader(file))


def rows_of_duckdb(folder: Path, stream: str) -> int:
    code = f"import duckdb; print(duckdb.connect('x.duckdb').execute('SELECT count(*) FROM {stream}').fetchall()[0][0])"
    python = PARTNERS / "target-duckdb" / "bin" / "python"
    counted = subprocess.run([python, "-c", code], cwd=folder, capture_output=True, check=False)
    assert counted.returncode == 0, counted.stderr.decode()
    return int(counted.stdout)


TARGETS: dict[str, tuple[dict[str, Any], Callable[[Path, str], int]]] = {
    "target-jsonl": ({"destination_path": "."}, lines_of_jsonl),
    "target-csv": ({"output_path": ".", "file_naming_scheme": "{stream_name}.csv"}, rows_of_csv),
    "target-duckdb": ({"path": "x.duckdb", "default_target_schema": "main"}, rows_of_duckdb),
}
if sys.version_info >= (3, 14):
    # Later releases lose rows (tests/samples/README.md), and these have no wheel for Python 3.14.
    del TARGETS["target-duckdb"]


@both_taps
@pytest.mark.parametrize("target", TARGETS)
def test_other_targets_take_what_our_taps_write(tap: str, target: str, written, tmp_path: Path) -> None:
    config, count = TARGETS[target]
    (tmp_path / "config.json").write_text(json.dumps(config), encoding="utf-8")
    messages, records = written[tap]
    states = run(target, "--config", "config.json", given=messages, folder=tmp_path).stdout.splitlines()
    assert json.loads(states[-1])["bookmarks"].keys() >= {STREAMS[tap]}
    assert count(tmp_path, STREAMS[tap]) == records


@both_taps
def test_singer_check_tap_finds_nothing_wrong(tap: str, written, tmp_path: Path) -> None:
    messages, records = written[tap]
    said = run("singer-check-tap", given=messages, folder=tmp_path).stdout.decode()
    assert f"{records} record messages" in said or f"| {STREAMS[tap]}" in said


def test_a_mapper_in_between(written, tmp_path: Path, workplace: Workplace, sandbox: Sandbox) -> None:
    maps = {"stream_maps": {"impressions": {"split": "'flag-' + split", "machine_ip": "__NULL__"}}}
    (tmp_path / "config.json").write_text(json.dumps(maps), encoding="utf-8")
    messages, records = written["tap-split-impressions"]
    mapped = run("meltano-map-transform", "--config", "config.json", given=messages, folder=tmp_path).stdout.decode()
    config = {"api_key": "key", "api_url": sandbox.url, "max_reject_share": 1}
    result = workplace.run("target-amplitude", config, messages=mapped.splitlines())
    assert result.code == 0, result.stderr
    assert result.metrics["records_read"] == records
    flags = {one["event_properties"]["split_name"] for one in sandbox.amplitude_events()}
    assert flags
    assert all(flag.startswith("flag-") for flag in flags)


def orders_of_jsonl(folder: Path, rows: list[dict[str, Any]]) -> dict[str, Any]:
    (folder / "orders.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return {"path": str(folder / "*.jsonl"), "stream_name": "orders", "primary_keys": ["id"]}


def orders_of_csv(folder: Path, rows: list[dict[str, Any]]) -> dict[str, Any]:
    (folder / "csv").mkdir()
    with (folder / "csv" / "orders.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    return {"filesystem": "local", "path": str(folder / "csv"), "read_mode": "merge", "stream_name": "orders"}


SOURCES = {"tap-jsonl": orders_of_jsonl, "tap-csv-folder": orders_of_csv}


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("target", ["target-amplitude", "target-split"])
def test_another_tap_in_front_of_our_targets(
    target: str, source: str, tmp_path: Path, workplace: Workplace, sandbox: Sandbox
) -> None:
    rows = [{"id": n, "user": f"user-{n}", "at": event(n)["event_time"], "note": None} for n in range(50)]
    settings = SOURCES[source](tmp_path, rows)
    (tmp_path / "config.json").write_text(json.dumps(settings), encoding="utf-8")
    messages = run(source, "--config", "config.json", folder=tmp_path).stdout.decode().splitlines()
    mapping = {"event_type": "Order", "time": "at"}
    config = (
        {"api_key": "key", "api_url": sandbox.url, "mappings": {"orders": mapping | {"user_id": "user"}}}
        if target == "target-amplitude"
        else {"sdk_api_key": "key", "events_url": sandbox.url, "mappings": {"orders": mapping | {"key": "user"}}}
    )
    result = workplace.run(target, config, messages=messages)
    assert result.code == 0, result.stderr
    stored = sandbox.amplitude_events() if target == "target-amplitude" else sandbox.split_events()
    assert len(stored) == len(rows)
