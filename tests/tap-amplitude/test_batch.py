"""BATCH: the same rows in files, with the same guarantees, for any target of the SDK that takes them."""

from __future__ import annotations

import gzip
import io
import json
import resource
import signal
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from fsspec.implementations.local import LocalFileSystem
from singer_sdk import Target
from singer_sdk.sinks import BatchSink

from support.exports import archive_of, entry_name, export_row, lines_of, rows_over, zip_of
from support.processes import Workplace
from support.sandbox import Sandbox
from support.scripted import Answer, scripted

Runs = Callable[..., Any]


def batch_config(folder: Path, compression: str = "none", **more: Any) -> dict[str, Any]:
    encoding = {"format": "jsonl", "compression": compression}
    return {"encoding": encoding, "storage": {"root": f"{folder}/batches"}, **more}


def contents(url: str) -> list[dict[str, Any]]:
    data = Path(urlsplit(url).path).read_bytes()
    return [json.loads(line) for line in (gzip.decompress(data) if url.endswith(".gz") else data).splitlines()]


def rows_of(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [row for m in messages if m["type"] == "BATCH" for url in m["manifest"] for row in contents(url)]


@pytest.fixture
def run(sandbox: Sandbox, run_tap: Runs) -> Runs:
    return lambda **config: run_tap(api_url=sandbox.url, **{"end_date": "2026-03-15"} | config)


@pytest.mark.parametrize("compression", ["gzip", "none"])
def test_the_files_hold_the_records_and_state_stands_behind_them(
    sandbox: Sandbox, run: Runs, tmp_path: Path, compression: str
) -> None:
    rows = rows_over(hours=4, per_hour=25)
    sandbox.put_export_rows(rows)
    records = run()
    batches = run(batch_config=batch_config(tmp_path, compression, batch_size=10), window_hours=3)
    assert batches.error == ""
    assert batches.records("events") == []
    by_id = {record["uuid"]: record for record in records.records("events")}
    found = rows_of(batches.messages)
    assert Counter(row["uuid"] for row in found) == Counter(by_id.keys())
    assert all(row == by_id[row["uuid"]] for row in found)
    before: list[dict[str, Any]] = []
    sizes: list[int] = []
    for message in batches.messages:
        if message["type"] == "BATCH":
            assert message["encoding"] == {"format": "jsonl", "compression": compression}
            sizes.append(len(rows_of([message])))
            before += rows_of([message])
        elif mark := message.get("value", {}).get("bookmarks", {}).get("events", {}).get("replication_key_value"):
            assert sorted(row["uuid"] for row in before) == sorted(
                row["uuid"] for row in rows if row["server_upload_time"].replace(" ", "T") < mark
            )
    assert sizes == [10, 10, 5] * 4
    assert batches.state == records.state
    assert batches.metrics["record_count"] == 100


def test_a_transaction_that_others_left_open_holds_no_file_back(sandbox: Sandbox, run: Runs, tmp_path: Path) -> None:
    sandbox.put_export_rows(rows_over(hours=1, per_hour=5))
    files = LocalFileSystem()  # the one of this process: the SDK begins a transaction, and does not end it on failure
    files.start_transaction()
    try:
        batches = run(batch_config=batch_config(tmp_path))
        assert len(rows_of(batches.messages)) == 5
    finally:
        files.end_transaction()


def test_a_run_resumed_from_any_state_completes_the_files(sandbox: Sandbox, run: Runs, tmp_path: Path) -> None:
    rows = rows_over(hours=2, per_hour=4)
    sandbox.put_export_rows(rows)
    config = batch_config(tmp_path)
    whole = run(batch_config=config)
    assert len(whole.of_type("STATE")) > 2
    for position, message in enumerate(whole.messages):
        if message["type"] == "STATE":
            resumed = run(batch_config=config, state=message["value"])
            found = rows_of(whole.messages[:position]) + rows_of(resumed.messages)
            assert Counter(row["uuid"] for row in found) == Counter(row["uuid"] for row in rows)


class CollectingSink(BatchSink):
    """Keeps what it is given."""

    kept: list[dict[str, Any]] = []

    def process_batch(self, context: dict[str, Any]) -> None:
        self.kept.extend(context["records"])


class CollectingTarget(Target):
    """A target with nothing but the SDK's defaults, batch files included."""

    name = "collecting-target"
    default_sink_class = CollectingSink


def test_a_target_of_the_sdk_reads_them(
    sandbox: Sandbox, run: Runs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = rows_over(hours=2, per_hour=15)
    sandbox.put_export_rows(rows)
    lines = run(batch_config=batch_config(tmp_path, "gzip", batch_size=7)).stdout
    monkeypatch.setattr(CollectingSink, "kept", [])
    target = CollectingTarget(config={})
    monkeypatch.setattr("sys.stdout", io.StringIO())
    target.listen(io.StringIO(lines))
    assert Counter(row["uuid"] for row in CollectingSink.kept) == Counter(row["uuid"] for row in rows)


def test_bad_rows_and_values_are_counted_as_with_records(run_tap: Runs, tmp_path: Path) -> None:
    rows = [*rows_over(hours=1, per_hour=20), b"no json", export_row(99, event_time="soon")]
    with scripted(lambda _: Answer(archive_of({entry_name(0): rows}))) as server:
        result = run_tap(api_url=server.url, end_date="2026-03-15", batch_config=batch_config(tmp_path))
    assert len(rows_of(result.messages)) == 21
    assert result.metrics["records_skipped"] == 1
    assert result.metrics["values_nulled"] == 1
    (aside,) = (tmp_path / "spool").iterdir()
    assert json.loads(aside.read_text())["line"] == "no json"


def test_each_file_is_announced_once_it_is_complete(run_tap: Runs, tmp_path: Path) -> None:
    rows = rows_over(hours=1, per_hour=230)
    with scripted(lambda _: Answer(archive_of({entry_name(0): rows}))) as server:
        result = run_tap(api_url=server.url, end_date="2026-03-15", batch_config=batch_config(tmp_path, batch_size=25))
    assert [len(message["manifest"]) for message in result.of_type("BATCH")] == [1] * 10
    assert [row["uuid"] for row in rows_of(result.messages)] == [row["uuid"] for row in rows]


def test_an_archive_that_is_damaged_inside_makes_no_file(run_tap: Runs, tmp_path: Path) -> None:
    good = gzip.compress(lines_of(rows_over(1, 20)))
    body = zip_of({entry_name(0): good, entry_name(1): gzip.compress(lines_of(rows_over(1, 500)))[:-20]})
    with scripted(lambda _: Answer(body)) as server:
        result = run_tap(api_url=server.url, end_date="2026-03-15", batch_config=batch_config(tmp_path))
    assert result.code == 1
    assert "damaged" in result.error
    assert result.of_type("BATCH") == []
    assert not (tmp_path / "batches").exists()


def test_a_file_that_the_disk_does_not_take_is_removed(sandbox: Sandbox, run: Runs, tmp_path: Path) -> None:
    sandbox.put_export_rows(rows_over(hours=2, per_hour=3_000))
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    (tmp_path / "batches").mkdir()
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, limit[1]))
    try:
        result = run(batch_config=batch_config(tmp_path), window_hours=1)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
    assert result.code == 1
    assert "cannot be written" in result.error
    assert list((tmp_path / "batches").iterdir()) == []


def test_a_cut_archive_is_asked_for_again(run_tap: Runs, tmp_path: Path) -> None:
    body = archive_of({entry_name(0): rows_over(1, 20)})
    answers = iter([Answer(body[:-30], length=None), Answer(body)])
    with scripted(lambda _: next(answers)) as server:
        result = run_tap(api_url=server.url, end_date="2026-03-15", batch_config=batch_config(tmp_path))
    assert result.error == ""
    assert len(rows_of(result.messages)) == 20


def test_records_that_are_mapped_come_one_by_one(sandbox: Sandbox, run: Runs, tmp_path: Path) -> None:
    sandbox.put_export_rows(rows_over(hours=1, per_hour=5))
    result = run(batch_config=batch_config(tmp_path), stream_maps={"events": {"user_id": "__NULL__"}})
    assert len(result.records("events")) == 5
    assert result.of_type("BATCH") == []


def test_other_streams_send_records(sandbox: Sandbox, run_tap: Runs, tmp_path: Path) -> None:
    sandbox.put_cohort(id="c1", name="c1", members=[{"amplitude_id": 1, "user_id": "u"}])
    result = run_tap("cohort_members", api_url=sandbox.url, cohort_ids=["*"], batch_config=batch_config(tmp_path))
    assert len(result.records("cohort_members")) == 1
    assert len(result.of_type("ACTIVATE_VERSION")) == 1


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_run_that_was_stopped_goes_on(
    sandbox: Sandbox, workplace: Workplace, keys: dict[str, str], tmp_path: Path, number: int
) -> None:
    rows = rows_over(hours=3, per_hour=20)
    sandbox.put_export_rows(rows)
    sandbox.plan(path="/api/2/export", when="start=20260314T02", kind="delay", delay_seconds=20)
    config = keys | {"api_url": sandbox.url, "start_date": "2026-03-14", "end_date": "2026-03-14T03:00:00Z"}
    config |= {"window_hours": 2, "batch_config": batch_config(tmp_path)}
    catalog = json.loads(workplace.run("tap-amplitude", config, "--discover").stdout)
    catalog["streams"] = [stream for stream in catalog["streams"] if stream["stream"] == "events"]
    process = workplace.start(workplace.command("tap-amplitude", config, catalog=catalog))
    with process:
        assert process.stdout
        messages = []
        for line in process.stdout:
            messages.append(json.loads(line))
            if "2026-03-14T02:00:00" in str(messages[-1].get("value")):
                break
        process.send_signal(number)
        process.communicate(timeout=60)
    told = {urlsplit(url).path for message in messages if message["type"] == "BATCH" for url in message["manifest"]}
    assert {str(path) for path in (tmp_path / "batches").iterdir()} == told
    sandbox.call("DELETE", "/faults")
    resumed = workplace.run("tap-amplitude", config, state=messages[-1]["value"], catalog=catalog)
    found = rows_of(messages) + rows_of(resumed.messages)
    assert Counter(row["uuid"] for row in found) == Counter(row["uuid"] for row in rows)


def test_storage_that_cannot_be_written_is_one_sentence(sandbox: Sandbox, run: Runs, tmp_path: Path) -> None:
    sandbox.put_export_rows(rows_over(hours=1, per_hour=5))
    (tmp_path / "batches").write_text("a file where the folder should be")
    result = run(batch_config=batch_config(tmp_path))
    assert result.code == 1
    assert "cannot be written" in result.error


def test_an_hour_without_rows_makes_no_message(run_tap: Runs, tmp_path: Path) -> None:
    with scripted(lambda _: Answer(archive_of({entry_name(0): [], entry_name(1): rows_over(1, 2)}))) as server:
        result = run_tap(api_url=server.url, end_date="2026-03-15", batch_config=batch_config(tmp_path))
    assert [len(message["manifest"]) for message in result.of_type("BATCH")] == [1]
