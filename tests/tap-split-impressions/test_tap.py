"""Everything in the folder, once, in one shape, whatever happens to the files."""

from __future__ import annotations

import gzip
import json
import os
import time
from datetime import UTC, datetime
from pathlib import Path
from shutil import copy2
from typing import Any

import pytest

from support.receiver import Run, Write, numbers_of, posted
from support.waiting import await_true
from tap_split_impressions.streams import impressions

TAP = "tap-split-impressions"
SEALED = "impressions-20260101T100000Z-0123456789ab-{:06}.jsonl"


# --- main path


def test_each_file_is_read_once(folder: Path, write: Write, run: Run) -> None:
    write(SEALED.format(1), range(300), received=1767261605000)
    first = run()
    assert numbers_of(first) == list(range(300))
    assert {record["received_at"] for record in first.records("impressions")} == {"2026-01-01T10:00:05.000Z"}
    assert first.metrics["records_read"] == first.metrics["record_count"] == 300
    second = run(first.state)
    assert numbers_of(second) == []
    write(SEALED.format(2), range(300, 310), received=1767261605000)
    assert numbers_of(run(second.state)) == list(range(300, 310))


def test_messages_are_singer(folder: Path, write: Write, run: Run) -> None:
    write("a.jsonl", [1])
    schema, record, state = run().messages
    assert (schema["type"], schema["key_properties"], schema["bookmark_properties"]) == (
        "SCHEMA",
        ["impression_id"],
        ["received_at"],
    )
    assert set(record) == {"type", "stream", "record", "time_extracted"}
    assert set(record["record"]) == set(schema["schema"]["properties"])
    assert state["value"]["bookmarks"]["impressions"]["replication_key_value"] == record["record"]["received_at"]


def test_all_formats_give_one_shape(folder: Path, write: Write, run: Run) -> None:
    write("a.jsonl", [1])
    (folder / "b.json").write_text(json.dumps([posted(1)]))
    (folder / "c.csv").write_text(
        "key,split,treatment,time,label,environmentId,splitVersionNumber\n"
        "user-000001,checkout_redesign,on,1767261600001,default rule,env-prod,1767000000456\n"
    )
    (folder / "deeper").mkdir()
    (folder / "deeper" / "d.jsonl.gz").write_bytes(gzip.compress(json.dumps(posted(1, machineName=None)).encode()))
    records = run().records("impressions")
    assert len(records) == 4
    assert len({record["impression_id"] for record in records}) == 1
    assert len({tuple(record) for record in records}) == 1


def test_what_is_no_data_is_ignored(folder: Path, write: Write, run: Run) -> None:
    for name in (
        "_SUCCESS",
        "_committed_1.json",
        ".hidden.jsonl",
        "a.jsonl.rejects",
        "a.jsonl.tmp",
        "a.jsonl.crc",
        "part-0.parquet.md5",
    ):
        write(name, [1])
    (folder / "_temporary").mkdir()
    write("_temporary/a.jsonl", [1])
    assert numbers_of(run()) == []


# --- the bookmark on a real disk


def test_late_renamed_and_out_of_order_files(folder: Path, write: Write, run: Run) -> None:
    write("m.jsonl", [1])
    write("n.jsonl", [2])
    first = run()
    assert sorted(numbers_of(first)) == [1, 2]

    os.utime(write("a-sorts-first.jsonl", [3]), (1, 1))
    os.utime(write("z-from-the-future.jsonl", [4]), (4e9, 4e9))
    (folder / "m.jsonl").rename(folder / "b-renamed.jsonl")
    (folder / "archive").mkdir()
    (folder / "n.jsonl").rename(folder / "archive" / "n.jsonl")
    second = run(first.state)
    assert sorted(numbers_of(second)) == [3, 4]

    copy2(folder / "b-renamed.jsonl", folder / "copy.jsonl")
    (folder / "z-from-the-future.jsonl").chmod(0o600)
    (folder / "a-sorts-first.jsonl").unlink()
    assert numbers_of(run(second.state)) == []


def test_two_receivers_whose_clocks_are_days_apart(folder: Path, write: Write, run: Run) -> None:
    ahead = "impressions-20270301T000000Z-aaaaaaaaaaaa-{:06}.jsonl"
    behind = "impressions-20250301T000000Z-bbbbbbbbbbbb-{:06}.jsonl"
    state = None
    for number in range(0, 8, 2):
        os.utime(write(ahead.format(number), [number], received=1803859200000), (1803859200, 1803859200))
        os.utime(write(behind.format(number), [number + 1], received=1740787200000), (1740787200, 1740787200))
        result = run(state)
        assert sorted(numbers_of(result)) == [number, number + 1]
        state = result.state
    assert numbers_of(run(state)) == []


def test_files_of_one_time_and_size_are_told_apart(folder: Path, write: Write, run: Run) -> None:
    state: dict[str, Any] | None = None
    for number in range(1, 4):
        # The same name, size and time as the file before, and often its inode.
        os.utime(write("export.jsonl", [number]), (1767261600, 1767261600))
        os.utime(write(f"other-{number}.jsonl", [number + 10]), (1767261600, 1767261600))
        result = run(state)
        assert sorted(numbers_of(result)) == [number, number + 10]
        state = result.state
        (folder / "export.jsonl").unlink()


def test_files_that_differ_in_their_middle_alone_are_told_apart(folder: Path, write: Write, run: Run) -> None:
    write("one.jsonl", range(1000))
    first = run()
    other = write("other.jsonl", [*range(500), 999_999, *range(501, 1000)])
    os.utime(other, (1767261600, 1767261600))
    assert other.stat().st_size == (folder / "one.jsonl").stat().st_size
    assert 999_999 in numbers_of(run(first.state))


def test_many_thousand_files(folder: Path, write: Write, run: Run) -> None:
    for number in range(4000):
        write(f"{number * 7919 % 4000:04}.jsonl", [number])
    first = run()
    assert sorted(numbers_of(first)) == list(range(4000))
    assert len(json.dumps(first.state)) < 4000 * 11 + 500
    write("0000-late.jsonl", [5000])
    assert numbers_of(run(first.state)) == [5000]


def test_a_folder_cleaned_up_between_runs(folder: Path, write: Write, run: Run) -> None:
    for number in range(10):
        write(f"{number}.jsonl", [number])
    state = run().state
    for number in range(5):
        (folder / f"{number}.jsonl").unlink()
    write("new.jsonl", [77])
    result = run(state)
    assert numbers_of(result) == [77]
    for file in folder.iterdir():
        file.unlink()
    assert numbers_of(run(result.state)) == []


def test_a_file_that_is_still_written_is_left_to_a_later_run(folder: Path, write: Write, run: Run) -> None:
    write("growing.jsonl", range(5))
    write(SEALED.format(1), [9])
    os.utime(write("old.jsonl", [7]), (1, 1))
    first = run(settle_seconds=3600)
    assert sorted(numbers_of(first)) == [7, 9]
    assert "have changed in the last seconds" in first.stderr
    os.utime(write("growing.jsonl", range(8)), (1000, 1000))
    assert numbers_of(run(first.state, settle_seconds=3600)) == list(range(8))


# --- runs that end early


def test_resume_from_each_state(folder: Path, write: Write, run: Run) -> None:
    for file in range(3):
        write(f"{file}.jsonl", range(file * 20_000, (file + 1) * 20_000))
    messages = run().messages
    order = [m["record"]["impression_id"] for m in messages if m["type"] == "RECORD"]
    states = [
        (sum(m["type"] == "RECORD" for m in messages[:at]), m) for at, m in enumerate(messages) if m["type"] == "STATE"
    ]
    assert len(states) >= 6
    for sent, state in states[::2] + states[-1:]:
        rest = [record["impression_id"] for record in run(state["value"]).records("impressions")]
        assert rest == order[sent:]


# --- damage


def test_bad_rows_are_counted_by_reason_without_their_data(folder: Path, write: Write, run: Run) -> None:
    lines = [
        json.dumps(posted(1)),
        "{broken",
        json.dumps(posted(2, key=None)),
        json.dumps(posted(3)),
        '{"key": "secret-cut',
    ]
    (folder / "a.jsonl").write_text("\n".join(lines))
    result = run()
    assert numbers_of(result) == [1, 3]
    assert "a.jsonl: 3 rows are not impressions" in result.stderr
    assert "secret-cut" not in result.stderr
    assert result.metrics["records_rejected"] == 3


# --- selection


def test_start_and_end_select_by_arrival_and_nothing_is_lost_by_them(folder: Path, write: Write, run: Run) -> None:
    for hour in range(4):
        with (folder / SEALED.format(1)).open("a") as file:
            batch = json.dumps([posted(hour)])
            file.write(f'{{"received":{1767261600000 + hour * 3_600_000},"batch":{batch}}}\n')
    write(SEALED.format(2), [8], received=1767261600000 + 8 * 3_600_000)
    dates = {"start_date": "2026-01-01T11:00:00Z", "end_date": "2026-01-01T12:00:00Z"}
    first = run(**dates)
    assert numbers_of(first) == [1]
    assert first.metrics["records_skipped"] == 1
    assert numbers_of(run(first.state, **dates)) == []
    second = run(first.state, end_date="2026-01-01T13:00:00Z")
    assert numbers_of(second) == [2]
    earlier = run(second.state, end_date="2026-01-01T10:30:00Z")
    assert numbers_of(earlier) == []
    third = run(earlier.state)
    assert numbers_of(third) == [3, 8]
    assert numbers_of(run(third.state)) == []


def test_a_start_in_the_future_selects_nothing(folder: Path, write: Write, run: Run) -> None:
    write("a.jsonl", [1])
    result = run(start_date="2999-01-01T00:00:00Z")
    assert numbers_of(result) == []
    assert "'start_date' lies in the future" in result.stderr
    assert numbers_of(run(result.state)) == [1]


def test_files_from_long_before_the_start_are_not_opened(folder: Path, write: Write, run: Run) -> None:
    (folder / "damaged.parquet").write_bytes(b"never looked at")
    later = time.time() + 30 * 86400
    with pytest.MonkeyPatch.context() as clock:
        clock.setattr("tap_split_impressions.folder.scan.time.time", lambda: later)
        result = run(start_date=datetime.fromtimestamp(later - 86400, UTC).isoformat())
    assert numbers_of(result) == []
    assert "1 file not opened, which arrived long before start_date" in result.stderr


def test_filters_and_their_counts(folder: Path, write: Write, run: Run) -> None:
    rows = [
        posted(1),
        posted(2, environmentId="env-dev", environmentName="Development"),
        posted(3, environmentId="env-staging", environmentName=None),
        posted(4, split="other_flag"),
        posted(5, treatment="control"),
        posted(6, split="checkout_new"),
    ]
    (folder / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    result = run(
        environments=["Prod*", "env-staging"],
        flags=["checkout*"],
        exclude_treatments=["control"],
    )
    assert numbers_of(result) == [1, 3, 6]
    assert "3 sent, 3 skipped" in result.stderr
    lines = [line.partition("METRIC: ")[2] for line in result.stderr.splitlines() if '"records_skipped"' in line]
    points = [point for line in lines if (point := json.loads(line))["value"]]
    assert {point["tags"]["reason"]: point["value"] for point in points} == {
        "environment": 1,
        "flag": 1,
        "treatment": 1,
    }
    assert {point["tags"]["stream"] for point in points} == {"impressions"}


def test_a_star_selects_impressions_without_an_environment_too(folder: Path, write: Write, run: Run) -> None:
    rows = [posted(1), posted(2, environmentId=None, environmentName=None)]
    (folder / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert numbers_of(run(environments=["*"])) == [1, 2]


def link(file: Path, folder: Path) -> None:
    (folder / file.name).symlink_to(file)


def move_directory(file: Path, folder: Path) -> None:
    file.parent.rename(folder / "moved")


@pytest.mark.parametrize("bring_in", [link, move_directory])
def test_an_old_file_that_comes_in_unchanged_while_others_go_is_read(
    tmp_path: Path, folder: Path, write: Write, run: Run, monkeypatch: pytest.MonkeyPatch, bring_in: Any
) -> None:
    monkeypatch.setattr("tap_split_impressions.common.folder.bookmark.LOOK_BACK_SECONDS", 0.0)
    (tmp_path / "elsewhere").mkdir()
    early = write("early.jsonl", [1]).rename(tmp_path / "elsewhere" / "early.jsonl")
    for number in (2, 3, 4):
        write(f"{number}.jsonl", [number])
    first = run()
    assert numbers_of(first) == [2, 3, 4]
    (folder / "2.jsonl").unlink()
    (folder / "3.jsonl").unlink()
    newest = (folder / "4.jsonl").stat().st_ctime
    # The clock of a file system goes in steps of some milliseconds.
    await_true(lambda: (tmp_path / "clock").write_text("") or (tmp_path / "clock").stat().st_ctime > newest)
    bring_in(early, folder)
    second = run(first.state)
    assert numbers_of(second) == [1]
    assert numbers_of(run(second.state)) == []


def test_states_are_written_a_bounded_number_of_times(
    folder: Path, write: Write, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(300):
        write(f"{number:03}.jsonl", [number])
    monkeypatch.setattr(impressions, "STATE_ROWS", 100)
    result = run()
    assert len(numbers_of(result)) == 300
    assert len(result.of_type("STATE")) <= 5
