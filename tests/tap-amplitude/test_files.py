"""Setting `path`: events and merged ids of exported files, each file read once, whatever its name, time and folder."""

from __future__ import annotations

import gzip
import json
import os
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from support.exports import archive_of, entry_name, export_row, lines_of, rows_over
from support.objects import Store, running_store
from support.sandbox import Sandbox
from support.scripted import Answer, scripted

Runs = Callable[..., Any]
ROWS = [export_row(n, "2026-03-14 09:30:00.000000") for n in range(40)]


def exported(rows: list[Any]) -> bytes:
    return gzip.compress(lines_of(rows), mtime=0)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "export"


@pytest.fixture
def put(folder: Path) -> Callable[..., Path]:
    def write(name: str, content: bytes) -> Path:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return path

    return write


@pytest.fixture
def run(run_tap: Runs, folder: Path) -> Runs:
    return lambda streams="events", **config: run_tap(streams, **{"path": str(folder), "start_date": None} | config)


def ids(*results: Any) -> Counter[str]:
    return Counter(record["uuid"] for result in results for record in result.records("events"))


def each_once(rows: list[dict[str, Any]]) -> Counter[str]:
    return Counter(row["uuid"] for row in rows)


def test_files_are_found_at_any_depth_and_read_once(put: Any, run: Runs) -> None:
    put("a/b/" + entry_name(9), exported(ROWS[:10]))
    put(entry_name(10), exported(ROWS[10:20]))
    first = run()
    assert first.error == ""
    assert ids(first) == each_once(ROWS[:20])
    assert {record["export_hour"][:13] for record in first.records("events")} == {"2026-03-14T09", "2026-03-14T10"}
    put("late/" + entry_name(2, part=7), exported(ROWS[20:30]))  # an old hour
    second = run(state=first.state)
    assert ids(second) == each_once(ROWS[20:30])
    assert ids(run(state=second.state)) == Counter()


def test_an_object_that_was_overwritten_is_read_again(put: Any, run: Runs) -> None:
    put(entry_name(9), exported(ROWS[:10]))
    first = run()
    put(entry_name(9), exported(ROWS[:15]))
    assert ids(run(state=first.state)) == each_once(ROWS[:15])


def test_records_are_those_of_the_api(sandbox: Sandbox, run_tap: Runs, run: Runs, folder: Path) -> None:
    rows = rows_over(hours=3, per_hour=20)
    sandbox.put_export_rows(rows)
    sandbox.call("POST", "/amplitude/write-export", {"path": str(folder), "rows_per_file": 7, "all_fields": True})
    by_api = run_tap(api_url=sandbox.url, end_date="2026-03-15")
    by_file = run()
    assert ids(by_api) == ids(by_file) == each_once(rows)
    records = {record["uuid"]: record for record in by_api.records("events")}
    assert all(record == records[record["uuid"]] for record in by_file.records("events"))
    assert len(by_file.records("events")) == 60


def test_event_types_and_dates_are_filters(put: Any, run: Runs) -> None:
    rows = [[export_row(10 * hour + n, event_type=f"type {n}") for n in range(3)] for hour in range(4)]
    for hour, of_hour in enumerate(rows):
        put(entry_name(hour), exported(of_hour))
    dates = {"start_date": "2026-03-14T01:00:00Z", "end_date": "2026-03-14T03:00:00Z"}
    first = run(event_types={"exclude": ["type 1"]}, **dates)
    kept = [row for hour in (1, 2) for row in rows[hour] if row["event_type"] != "type 1"]
    assert ids(first) == each_once(kept)
    # What lies beyond the end is left for a later run; what lies before the start is passed.
    assert ids(run(state=first.state)) == each_once(rows[3])


def test_switching_from_the_api_to_files_loses_and_repeats_nothing(run_tap: Runs, run: Runs, put: Any) -> None:
    for hour in range(4):
        put(entry_name(hour), exported(ROWS[10 * hour : 10 * hour + 10]))
    archive = archive_of({entry_name(hour): ROWS[10 * hour : 10 * hour + 10] for hour in (0, 1)})
    with scripted(lambda _: Answer(archive)) as server:
        by_api = run_tap(api_url=server.url, end_date="2026-03-14T02:00:00Z")
    by_file = run(state=by_api.state)
    assert ids(by_api, by_file) == each_once(ROWS)


def test_switching_to_files_and_back_as_the_docs_tell_loses_and_repeats_nothing(
    run_tap: Runs, run: Runs, put: Any
) -> None:
    rows = [export_row(n, f"2026-03-14 0{n // 10}:30:00.000000") for n in range(60)]
    of_hour = {entry_name(hour): rows[10 * hour : 10 * hour + 10] for hour in range(6)}
    for name, part in of_hour.items():
        put(name, exported(part))

    def api(hours: range, **more: Any) -> Any:
        archive = archive_of({name: of_hour[name] for name in map(entry_name, hours)})
        with scripted(lambda _: Answer(archive)) as server:
            return run_tap(api_url=server.url, end_date=f"2026-03-14T0{hours.stop}:00:00Z", **more)

    by_api = api(range(2))
    by_file = run(state=by_api.state, end_date="2026-03-14T04:00:00Z")
    nothing = run(state=by_file.state, end_date="2026-03-14T04:00:00Z")
    by_api_again = api(range(4, 6), start_date="2026-03-14T04:00:00Z")
    assert [len(result.records("events")) for result in (by_api, by_file, nothing, by_api_again)] == [20, 20, 0, 20]
    assert ids(by_api, by_file, by_api_again) == each_once(rows)


def test_damaged_and_foreign_files_are_named_and_the_others_read(put: Any, run: Runs) -> None:
    damaged = put(entry_name(8), exported(ROWS)[:-20])
    os.utime(damaged, (1_700_000_000, 1_700_000_000))
    put("notes.txt", b"hello")
    put("100042/100042_2026-03-14_9_complete.json.gz", gzip.compress(b""))
    put(entry_name(9), exported(ROWS[:5]))
    first = run()
    assert first.code == 1
    assert ids(first) == each_once(ROWS[:5])
    assert entry_name(8) in first.stderr
    assert "notes.txt" in first.stderr
    assert "complete" not in first.stderr.replace("read completely", "")
    put(entry_name(8), exported(ROWS))
    again = run(state=first.state)
    assert again.code == 0
    assert ids(again) == each_once(ROWS)
    assert "notes.txt" not in again.stderr


def test_a_file_that_is_still_being_written_is_left_for_the_next_run(put: Any, run: Runs) -> None:
    put(entry_name(8), exported(ROWS)[:-20])
    first = run()
    assert (first.code, ids(first)) == (0, Counter())
    assert "still being written" in first.stderr
    put(entry_name(8), exported(ROWS))
    assert ids(run(state=first.state)) == each_once(ROWS)


def test_keys_are_not_needed_for_files_and_are_for_the_api(put: Any, run: Runs, folder: Path) -> None:
    put(entry_name(9), exported(ROWS[:5]))
    result = run("events cohorts", api_key=None, secret_key=None)
    assert ids(result) == each_once(ROWS[:5])
    assert "'api_key' and 'secret_key' are missing" in result.stderr
    assert "completely: cohorts" in result.error


def test_merged_ids_are_a_stream_of_their_own(put: Any, run: Runs) -> None:
    merged = [
        {
            "scope": 36042,
            "merge_time": "2026-03-14 09:26:53.589000",
            "merge_server_time": "2026-03-14T09:27:00.000",
            "amplitude_id": 200_000_000_001,
            "merged_amplitude_id": 200_000_000_002,
        }
    ]
    put("-36042/-36042_2026-03-14_9.json.gz", exported(merged))
    put("100042/100042_2026-03-14_9.json.gz", exported([merged[0] | {"merged_amplitude_id": 3}]))
    put(entry_name(9), exported(ROWS[:5]))
    result = run("events merged_amplitude_ids")
    assert ids(result) == each_once(ROWS[:5])
    records = result.records("merged_amplitude_ids")
    assert sorted(record["merged_amplitude_id"] for record in records) == [3, 200_000_000_002]
    assert records[0]["merge_time"] == "2026-03-14T09:26:53.589000Z"
    assert run("events merged_amplitude_ids", state=result.state).records("merged_amplitude_ids") == []


def test_without_a_path_the_streams_of_files_say_so(run_tap: Runs) -> None:
    result = run_tap("merged_amplitude_ids cohort_changes")
    assert result.code == 0
    assert result.stderr.count("Set 'path'") == 2


def test_a_folder_that_is_not_there_is_one_sentence(run: Runs) -> None:
    assert "'path'" in run().error


@pytest.fixture(scope="module")
def store() -> Iterator[Store]:
    with running_store() as running:
        yield running


def test_objects_in_a_bucket_are_read_in_parallel_each_once(run_tap: Runs, store: Store) -> None:
    store.empty()
    for hour in range(6):
        store.put(f"exports/{entry_name(hour)}", exported(ROWS[5 * hour : 5 * hour + 5]))
    settings = {"path": f"s3://{store.bucket}/exports", "storage_options": store.options, "max_parallel_windows": 4}
    first = run_tap(**settings)
    assert first.error == ""
    assert ids(first) == each_once(ROWS[:30])
    store.put(f"exports/{entry_name(1, part=9)}", exported(ROWS[30:]))
    second = run_tap(state=first.state, **settings)
    assert ids(second) == each_once(ROWS[30:])
    assert len(json.dumps(second.state)) < 1500
    missing = run_tap(**settings | {"path": "s3://no-such-bucket/x"})
    assert "'path'" in missing.error
