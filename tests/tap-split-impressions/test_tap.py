"""The tap as a process: everything in the folder, once, however runs end and whatever happens to the files."""

from __future__ import annotations

import gzip
import json
import os
import shutil
import signal
import threading
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from singer_sdk.testing import SuiteConfig, get_tap_test_class

from support.processes import Result, Workplace
from support.receiver import posted
from tap_split_impressions.tap import TapSplitImpressions

TAP = "tap-split-impressions"
SEALED = "impressions-20260101T100000Z-0123456789ab-{:06}.jsonl"


@pytest.fixture
def folder(workplace: Workplace) -> Path:
    path = workplace.folder / "impressions"
    path.mkdir()
    return path


def write(path: Path, numbers: Iterable[int], received: int | None = None) -> Path:
    """Write impressions as JSON lines; with `received` as the receiver stores them, 200 to a line."""
    items = [posted(number) for number in numbers]
    if received is None:
        text = "".join(json.dumps(item) + "\n" for item in items)
    else:
        batches = [items[at : at + 200] for at in range(0, len(items), 200)]
        text = "".join(f'{{"received":{received},"batch":{json.dumps(batch)}}}\n' for batch in batches)
    path.write_text(text)
    return path


def run(workplace: Workplace, folder: Path, state: dict[str, Any] | None = None, **settings: Any) -> Result:
    result = workplace.run(TAP, {"path": str(folder), "settle_seconds": 0, **settings}, state=state)
    assert result.code == 0, result.stderr
    return result


def numbers_of(result: Result) -> list[int]:
    """The numbers of the impressions, in order."""
    return [int(record["key"].removeprefix("user-")) for record in result.records("impressions")]


# --- main path


def test_each_file_is_read_once(workplace: Workplace, folder: Path) -> None:
    write(folder / SEALED.format(1), range(300), received=1767261605000)
    first = run(workplace, folder)
    assert numbers_of(first) == list(range(300))
    assert {record["received_at"] for record in first.records("impressions")} == {"2026-01-01T10:00:05.000Z"}
    assert first.metrics["records_read"] == first.metrics["record_count"] == 300
    second = run(workplace, folder, first.state)
    assert numbers_of(second) == []
    write(folder / SEALED.format(2), range(300, 310), received=1767261605000)
    assert numbers_of(run(workplace, folder, second.state)) == list(range(300, 310))


def test_messages_are_singer(workplace: Workplace, folder: Path) -> None:
    write(folder / "a.jsonl", [1])
    schema, record, state = run(workplace, folder).messages
    assert (schema["type"], schema["key_properties"], schema["bookmark_properties"]) == (
        "SCHEMA",
        ["impression_id"],
        ["received_at"],
    )
    assert set(record) == {"type", "stream", "record", "time_extracted"}
    assert set(record["record"]) == set(schema["schema"]["properties"])
    assert state["value"]["bookmarks"]["impressions"]["replication_key_value"] == record["record"]["received_at"]


def test_all_formats_give_one_shape(workplace: Workplace, folder: Path) -> None:
    write(folder / "a.jsonl", [1])
    (folder / "b.json").write_text(json.dumps([posted(1)]))
    (folder / "c.csv").write_text(
        "key,split,treatment,time,label,environmentId,splitVersionNumber\n"
        "user-000001,checkout_redesign,on,1767261600001,default rule,env-prod,1767000000456\n"
    )
    (folder / "deeper").mkdir()
    (folder / "deeper" / "d.jsonl.gz").write_bytes(gzip.compress(json.dumps(posted(1, machineName=None)).encode()))
    records = run(workplace, folder).records("impressions")
    assert len(records) == 4
    assert len({record["impression_id"] for record in records}) == 1
    assert len({tuple(record) for record in records}) == 1


def test_what_is_no_data_is_ignored(workplace: Workplace, folder: Path) -> None:
    for name in (
        "_SUCCESS",
        "_committed_1.json",
        ".hidden.jsonl",
        "a.jsonl.open",
        "a.jsonl.rejects",
        "a.jsonl.tmp",
        "notes.txt",
    ):
        write(folder / name, [1])
    (folder / "_temporary").mkdir()
    write(folder / "_temporary" / "a.jsonl", [1])
    assert numbers_of(run(workplace, folder)) == []


# --- the bookmark on a real disk


def test_late_renamed_and_out_of_order_files(workplace: Workplace, folder: Path) -> None:
    write(folder / "m.jsonl", [1])
    write(folder / "n.jsonl", [2])
    first = run(workplace, folder)
    assert sorted(numbers_of(first)) == [1, 2]

    os.utime(write(folder / "a-sorts-first.jsonl", [3]), (1, 1))
    os.utime(write(folder / "z-from-the-future.jsonl", [4]), (4e9, 4e9))
    (folder / "m.jsonl").rename(folder / "b-renamed.jsonl")
    (folder / "archive").mkdir()
    (folder / "n.jsonl").rename(folder / "archive" / "n.jsonl")
    second = run(workplace, folder, first.state)
    assert sorted(numbers_of(second)) == [3, 4]

    shutil.copy2(folder / "b-renamed.jsonl", folder / "copy.jsonl")
    (folder / "z-from-the-future.jsonl").chmod(0o600)
    (folder / "a-sorts-first.jsonl").unlink()
    assert numbers_of(run(workplace, folder, second.state)) == []


def test_files_of_one_time_and_size_are_told_apart(workplace: Workplace, folder: Path) -> None:
    state: dict[str, Any] | None = None
    for number in range(1, 4):
        # The same name, size and time as the file before, and often its inode.
        os.utime(write(folder / "export.jsonl", [number]), (1767261600, 1767261600))
        os.utime(write(folder / f"other-{number}.jsonl", [number + 10]), (1767261600, 1767261600))
        result = run(workplace, folder, state)
        assert sorted(numbers_of(result)) == [number, number + 10]
        state = result.state
        (folder / "export.jsonl").unlink()


def test_many_thousand_files(workplace: Workplace, folder: Path) -> None:
    for number in range(4000):
        write(folder / f"{number * 7919 % 4000:04}.jsonl", [number])
    first = run(workplace, folder)
    assert sorted(numbers_of(first)) == list(range(4000))
    assert len(json.dumps(first.state)) < 4000 * 11 + 500
    write(folder / "0000-late.jsonl", [5000])
    assert numbers_of(run(workplace, folder, first.state)) == [5000]


def test_a_folder_cleaned_up_between_runs(workplace: Workplace, folder: Path) -> None:
    for number in range(10):
        write(folder / f"{number}.jsonl", [number])
    state = run(workplace, folder).state
    for number in range(5):
        (folder / f"{number}.jsonl").unlink()
    write(folder / "new.jsonl", [77])
    result = run(workplace, folder, state)
    assert numbers_of(result) == [77]
    for file in folder.iterdir():
        file.unlink()
    assert numbers_of(run(workplace, folder, result.state)) == []


def test_a_file_that_is_still_written_is_left_to_a_later_run(workplace: Workplace, folder: Path) -> None:
    write(folder / "growing.jsonl", range(5))
    write(folder / SEALED.format(1), [9])
    os.utime(write(folder / "old.jsonl", [7]), (1, 1))
    first = run(workplace, folder, settle_seconds=3600)
    assert sorted(numbers_of(first)) == [7, 9]
    assert "have changed in the last seconds" in first.stderr
    os.utime(write(folder / "growing.jsonl", range(8)), (1000, 1000))
    assert numbers_of(run(workplace, folder, first.state, settle_seconds=3600)) == list(range(8))


def test_a_file_that_settles_soon_is_awaited(workplace: Workplace, folder: Path) -> None:
    write(folder / "fresh.jsonl", [1])
    result = workplace.run(TAP, {"path": str(folder)})
    assert numbers_of(result) == [1]


# --- runs that end early


def test_resume_from_each_state(workplace: Workplace, folder: Path) -> None:
    for file in range(3):
        write(folder / f"{file}.jsonl", range(file * 20_000, (file + 1) * 20_000))
    messages = run(workplace, folder).messages
    order = [m["record"]["impression_id"] for m in messages if m["type"] == "RECORD"]
    states = [
        (sum(m["type"] == "RECORD" for m in messages[:at]), m) for at, m in enumerate(messages) if m["type"] == "STATE"
    ]
    assert len(states) >= 6
    for sent, state in states[::2] + states[-1:]:
        rest = [record["impression_id"] for record in run(workplace, folder, state["value"]).records("impressions")]
        assert rest == order[sent:]


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


def test_sigterm_ends_with_an_exact_state(workplace: Workplace, folder: Path) -> None:
    write(folder / "large.jsonl", range(150_000))
    stopped = stopped_after(workplace, folder, 5000, signal.SIGTERM)
    assert stopped.code == 143
    assert "Read " in stopped.stderr
    sent = numbers_of(stopped)
    assert 5000 <= len(sent) < 150_000
    rest = numbers_of(run(workplace, folder, stopped.state))
    assert sent + rest == list(range(150_000))


@pytest.mark.parametrize("lines", [12_000, 60_000])
def test_sigkill_loses_nothing(workplace: Workplace, folder: Path, lines: int) -> None:
    for file in range(10):
        write(folder / f"{file}.jsonl", range(file * 10_000, (file + 1) * 10_000))
    killed = stopped_after(workplace, folder, lines, signal.SIGKILL)
    assert killed.code == -signal.SIGKILL
    messages = killed.messages
    last = max(at for at, message in enumerate(messages) if message["type"] == "STATE")
    before = [m["record"]["impression_id"] for m in messages[:last] if m["type"] == "RECORD"]
    rest = [
        record["impression_id"] for record in run(workplace, folder, messages[last]["value"]).records("impressions")
    ]
    assert len(before) + len(rest) == len(set(before) | set(rest)) == 100_000


# --- damage


def test_a_damaged_file_is_named_and_the_rest_delivered(workplace: Workplace, folder: Path) -> None:
    (folder / "damaged.parquet").write_bytes(b"PAR1 and then nothing")
    write(folder / "good.jsonl", [1])
    settings = {"path": str(folder), "settle_seconds": 0}
    for state, expected in ((None, [1]), ({}, [1])):
        result = workplace.run(TAP, settings, state=state)
        assert result.code == 1
        assert numbers_of(result) == expected
        assert "damaged.parquet is cut, damaged or no Parquet file" in result.stderr
        assert "Traceback" not in result.stderr
    again = workplace.run(TAP, settings, state=result.state)
    assert (again.code, numbers_of(again)) == (1, [])
    (folder / "damaged.parquet").unlink()
    write(folder / "repaired.jsonl", [2])
    assert numbers_of(run(workplace, folder, again.state)) == [2]


def test_cut_gzip_goes_on_where_it_stopped_when_it_is_repaired_in_place(workplace: Workplace, folder: Path) -> None:
    whole = gzip.compress("".join(json.dumps(posted(number)) + "\n" for number in range(30_000)).encode())
    (folder / "a.jsonl.gz").write_bytes(whole[: len(whole) // 2])
    first = workplace.run(TAP, {"path": str(folder), "settle_seconds": 0})
    assert first.code == 1
    sent = numbers_of(first)
    assert sent == list(range(len(sent)))
    again = workplace.run(TAP, {"path": str(folder), "settle_seconds": 0}, state=first.state)
    assert (again.code, numbers_of(again)) == (1, [])
    (folder / "a.jsonl.gz").write_bytes(whole)
    assert set(sent) | set(numbers_of(run(workplace, folder, again.state))) == set(range(30_000))


def test_bad_rows_are_counted_by_reason_without_their_data(workplace: Workplace, folder: Path) -> None:
    lines = [
        json.dumps(posted(1)),
        "{broken",
        json.dumps(posted(2, key=None)),
        json.dumps(posted(3)),
        '{"key": "secret-cut',
    ]
    (folder / "a.jsonl").write_text("\n".join(lines))
    result = run(workplace, folder)
    assert numbers_of(result) == [1, 3]
    assert "a.jsonl: 3 rows are no impressions" in result.stderr
    assert "secret-cut" not in result.stderr
    assert result.metrics["records_rejected"] == 3


def test_a_file_that_may_not_be_read(workplace: Workplace, folder: Path) -> None:
    write(folder / "a.jsonl", [1])
    (folder / "b.jsonl").symlink_to("/nonexistent/b.jsonl")
    assert numbers_of(run(workplace, folder)) == [1]
    if os.getuid():
        write(folder / "c.jsonl", [2]).chmod(0)
        assert workplace.run(TAP, {"path": str(folder), "settle_seconds": 0}).code == 1


# --- selection


def test_start_and_end_select_by_arrival_and_nothing_is_lost_by_them(workplace: Workplace, folder: Path) -> None:
    for hour in range(4):
        with (folder / SEALED.format(1)).open("a") as file:
            batch = json.dumps([posted(hour)])
            file.write(f'{{"received":{1767261600000 + hour * 3_600_000},"batch":{batch}}}\n')
    write(folder / SEALED.format(2), [8], received=1767261600000 + 8 * 3_600_000)
    dates = {"start_date": "2026-01-01T11:00:00Z", "end_date": "2026-01-01T12:00:00Z"}
    first = run(workplace, folder, **dates)
    assert numbers_of(first) == [1]
    assert first.metrics["records_skipped"] == 1
    assert numbers_of(run(workplace, folder, first.state, **dates)) == []
    second = run(workplace, folder, first.state, end_date="2026-01-01T13:00:00Z")
    assert numbers_of(second) == [2]
    third = run(workplace, folder, second.state)
    assert numbers_of(third) == [3, 8]
    assert numbers_of(run(workplace, folder, third.state)) == []


def test_a_start_in_the_future_selects_nothing(workplace: Workplace, folder: Path) -> None:
    write(folder / "a.jsonl", [1])
    result = run(workplace, folder, start_date="2999-01-01T00:00:00Z")
    assert numbers_of(result) == []
    assert "1 left out (1 by before start_date)" in result.stderr


def test_filters_and_their_counts(workplace: Workplace, folder: Path) -> None:
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
        workplace,
        folder,
        environments=["Prod*", "env-staging"],
        flags=["checkout*"],
        exclude_treatments=["control"],
    )
    assert numbers_of(result) == [1, 3, 6]
    assert "3 sent, 3 left out" in result.stderr
    skipped = Counter()
    for line in result.stderr.splitlines():
        if '"records_skipped"' in line:
            point = json.loads(line.partition("METRIC: ")[2])
            skipped[point["tags"]["reason"]] += point["value"]
    assert skipped == {"environment": 1, "flag": 1, "treatment": 1}


def test_stream_maps_and_selection_change_what_goes_out(workplace: Workplace, folder: Path) -> None:
    write(folder / "a.jsonl", range(5))
    plain = run(workplace, folder)
    mapped = run(workplace, folder, stream_maps={"impressions": {"key": "'hidden'", "__alias__": "exposures"}})
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


# --- the command line


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
            "Setting 'workspace_id' is missing; 'admin_api_key' needs it.",
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
                "read_until": 4e9,
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


def test_a_test_run_stops_after_one_record(workplace: Workplace, folder: Path) -> None:
    write(folder / "a.jsonl", range(50))
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
