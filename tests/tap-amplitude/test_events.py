"""Stream `events` against the sandbox: each hour once, whatever the windows, the state and the failures."""

from __future__ import annotations

import json
import math
import threading
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import jsonschema_rs
import pytest

from support.exports import archive_of, entry_name, export_row, rows_over
from support.processes import Result
from support.sandbox import Sandbox
from support.scripted import Answer, Request, scripted
from tap_amplitude.streams import events

EXPORT = "/api/2/export"


def ids(result: Result) -> Counter[str]:
    return Counter(record["uuid"] for record in result.records("events"))


def each_once(rows: list[dict[str, Any]]) -> Counter[str]:
    return Counter(row["uuid"] for row in rows)


def bookmark(result: Result) -> str:
    return result.state["bookmarks"]["events"]["replication_key_value"]


def windows(sandbox: Sandbox) -> list[tuple[str, int]]:
    """The windows asked for, and how they were answered."""
    return [(request["query"].replace("20260314T", ""), request["status"]) for request in sandbox.requests(EXPORT)]


@pytest.fixture
def run(sandbox: Sandbox, run_tap: Callable[..., Any]) -> Callable[..., Any]:
    return lambda *args, **config: run_tap(*args, api_url=sandbox.url, **{"end_date": "2026-03-15"} | config)


def test_all_rows_come_once_with_their_hour_and_their_schema(sandbox: Sandbox, run: Callable[..., Any]) -> None:
    rows = rows_over(hours=6, per_hour=40)
    sandbox.put_export_rows(rows)
    result = run()
    assert result.error == ""
    assert ids(result) == each_once(rows)
    (schema,) = (message for message in result.of_type("SCHEMA") if message["stream"] == "events")
    assert schema["key_properties"] == ["uuid"]
    assert schema["bookmark_properties"] == ["export_hour"]
    validator = jsonschema_rs.validator_for(schema["schema"])
    for record in result.records("events"):
        validator.validate(record)
        assert record["server_upload_time"][:13] == record["export_hour"][:13]
        assert record["export_hour"].endswith(":00:00.000000Z")


def test_state_moves_hour_by_hour_and_stands_behind_the_rows_before_it(
    sandbox: Sandbox, run: Callable[..., Any]
) -> None:
    rows = rows_over(hours=4, per_hour=10)
    sandbox.put_export_rows(rows)
    result = run(window_hours=24)
    before: list[str] = []
    marks = []
    for message in result.messages:
        if message["type"] == "RECORD":
            before.append(message["record"]["export_hour"])
        if message["type"] == "STATE" and message["value"]["bookmarks"].get("events"):
            mark = message["value"]["bookmarks"]["events"]["replication_key_value"]
            marks.append(mark)
            assert all(hour < mark for hour in before)
            assert len(before) == sum(row["server_upload_time"].replace(" ", "T") < mark for row in rows)
    hours = [f"2026-03-14T{hour:02}:00:00+00:00" for hour in (1, 2, 3, 4)]
    assert marks == [*hours, "2026-03-15T00:00:00+00:00"]
    assert result.state["bookmarks"]["events"]["replication_key"] == "export_hour"


def test_a_run_resumed_from_any_state_completes_the_rows_and_repeats_none(
    sandbox: Sandbox, run: Callable[..., Any]
) -> None:
    rows = rows_over(hours=5, per_hour=8)
    sandbox.put_export_rows(rows)
    whole = run(window_hours=3)
    assert len(whole.of_type("STATE")) > 5
    emitted: Counter[str] = Counter()
    for message in whole.messages:
        if message["type"] == "RECORD":
            emitted[message["record"]["uuid"]] += 1
        elif message["type"] == "STATE":
            resumed = run(state=message["value"], window_hours=2)
            assert emitted + ids(resumed) == each_once(rows)


@pytest.mark.parametrize("second", [{"window_hours": 1}, {"window_hours": 5}, {"window_hours": 24, "lag_hours": 12}])
def test_a_second_run_asks_for_nothing_again_whatever_its_windows(
    sandbox: Sandbox, run: Callable[..., Any], second: dict[str, int]
) -> None:
    sandbox.put_export_rows(rows_over(hours=3, per_hour=5))
    first = run(window_hours=7)
    asked = len(sandbox.requests(EXPORT))
    again = run(state=first.state, **second)
    assert ids(again) == Counter()
    assert again.state == first.state
    assert len(sandbox.requests(EXPORT)) == asked


def test_empty_months_are_asked_for_once(sandbox: Sandbox, run: Callable[..., Any]) -> None:
    first = run(end_date="2026-04-14", window_hours=24 * 31)
    assert bookmark(first) == "2026-04-14T00:00:00+00:00"
    assert [status for _, status in windows(sandbox)] == [404]
    run(state=first.state, end_date="2026-04-14")
    assert len(sandbox.requests(EXPORT)) == 1


def positions(result: Result) -> list[tuple[str, int]]:
    """Rows and bookmarks in order: the kind of each message and the hours it lies behind midnight."""
    found = []
    for message in result.messages:
        if message["type"] == "RECORD":
            found.append(("row", int(message["record"]["export_hour"][11:13])))
        elif message["type"] == "STATE" and (mark := message["value"]["bookmarks"].get("events")):
            hour = datetime.fromisoformat(mark["replication_key_value"])
            found.append(("state", int((hour - datetime(2026, 3, 14, tzinfo=UTC)).total_seconds() / 3600)))
    return found


def test_empty_windows_share_a_state_that_stands_before_the_next_row_and_at_the_end(
    sandbox: Sandbox, run: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "STATE_SECONDS", math.inf)
    sandbox.put_export_rows(rows_over(hours=1, per_hour=1, start=datetime(2026, 3, 14, 10, tzinfo=UTC)))
    result = run(window_hours=1)
    assert [status for _, status in windows(sandbox)].count(404) == 23
    assert list(dict.fromkeys(positions(result))) == [("state", 10), ("row", 10), ("state", 11), ("state", 24)]


def test_empty_windows_have_a_state_as_soon_as_one_is_due(
    run: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "STATE_SECONDS", 0)
    assert positions(run(window_hours=1)) == [("state", hour) for hour in range(1, 25)]


def test_the_state_of_empty_windows_is_written_when_the_run_fails(
    sandbox: Sandbox, run: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "STATE_SECONDS", math.inf)
    sandbox.plan(path=EXPORT, when="start=20260314T07", kind="status", status=403)
    result = run(window_hours=1)
    assert result.error
    assert positions(result) == [("state", 7)]


def test_the_newest_hours_are_left_until_they_are_complete(sandbox: Sandbox, run: Callable[..., Any]) -> None:
    begun = datetime.now(UTC)
    this_hour = begun.replace(minute=0, second=0, microsecond=0)
    rows = rows_over(hours=6, per_hour=2, start=this_hour - timedelta(hours=6))
    sandbox.put_export_rows(rows)
    result = run(start_date=f"{this_hour - timedelta(days=1):%Y-%m-%dT%H:00:00Z}", end_date=None, lag_hours=4)
    end = datetime.fromisoformat(bookmark(result))
    passed = datetime.now(UTC) - begun
    assert this_hour - timedelta(hours=3) <= end <= begun + passed - timedelta(hours=3)
    assert ids(result) == each_once([row for row in rows if row["server_upload_time"] < f"{end:%Y-%m-%d %H}"])


def test_the_lag_of_the_bookmark_is_a_metric(sandbox: Sandbox, run: Callable[..., Any]) -> None:
    result = run()
    (text,) = (line.partition("METRIC: ")[2] for line in result.stderr.splitlines() if "bookmark_lag_seconds" in line)
    point = json.loads(text)
    behind = (datetime.now(UTC) - datetime(2026, 3, 15, tzinfo=UTC)).total_seconds()
    assert (point["type"], point["tags"]["stream"]) == ("gauge", "events")
    assert behind - 600 < point["value"] <= round(behind)


def test_start_is_included_and_end_is_not(sandbox: Sandbox, run: Callable[..., Any]) -> None:
    rows = rows_over(hours=6, per_hour=1)
    sandbox.put_export_rows(rows)
    result = run(start_date="2026-03-14T02:30:00+01:00", end_date="2026-03-14T04:00:00")
    assert {record["export_hour"][11:13] for record in result.records("events")} == {"01", "02", "03"}


def test_lookback_reads_hours_again_without_moving_back(sandbox: Sandbox, run: Callable[..., Any]) -> None:
    rows = rows_over(hours=6, per_hour=3)
    sandbox.put_export_rows(rows)
    first = run(end_date="2026-03-14T04:00:00Z")
    again = run(state=first.state, lookback_hours=2)
    assert ids(again) == each_once([row for row in rows if row["server_upload_time"][11:13] >= "02"])
    marks = [m["value"]["bookmarks"]["events"]["replication_key_value"] for m in again.of_type("STATE")]
    assert marks == sorted(marks)
    assert marks[0] == "2026-03-14T04:00:00+00:00"


@pytest.mark.parametrize("status", [400, 504])
def test_windows_that_are_too_large_are_halved_and_the_good_size_is_kept(
    sandbox: Sandbox, run: Callable[..., Any], status: int
) -> None:
    rows = rows_over(hours=24, per_hour=2)
    sandbox.put_export_rows(rows)
    for query in ("start=20260314T00&end=20260314T07", "start=20260314T00&end=20260314T03"):
        sandbox.plan(path=EXPORT, when=query, kind="status", status=status, times=1)
    result = run(window_hours=8, max_parallel_windows=1)
    assert ids(result) == each_once(rows)
    assert [window for window, _ in windows(sandbox)] == [
        "start=00&end=07",
        "start=00&end=03",
        "start=00&end=01",
        "start=02&end=03",
        "start=04&end=07",
        *(f"start={hour:02}&end={hour + 1:02}" for hour in range(8, 24, 2)),
    ]
    assert result.metrics["http_retry_count"] == 0


def test_finished_halves_are_kept_when_the_other_fails(sandbox: Sandbox, run: Callable[..., Any]) -> None:
    rows = rows_over(hours=2, per_hour=5)
    sandbox.put_export_rows(rows)
    sandbox.plan(path=EXPORT, when="end=20260314T01", kind="status", status=400, times=None)
    failed = run(end_date="2026-03-14T02:00:00Z")
    assert failed.code == 1
    assert "Amazon S3" in failed.error
    assert bookmark(failed) == "2026-03-14T01:00:00+00:00"
    sandbox.call("DELETE", "/faults")
    assert ids(failed) + ids(run(state=failed.state)) == each_once(rows)


def test_an_hour_that_times_out_is_asked_again(sandbox: Sandbox, run: Callable[..., Any]) -> None:
    rows = rows_over(hours=1, per_hour=5)
    sandbox.put_export_rows(rows)
    sandbox.plan(path=EXPORT, kind="status", status=504, times=2)
    assert ids(run(end_date="2026-03-14T01:00:00Z")) == each_once(rows)


@pytest.mark.parametrize(
    "fault",
    [
        {"status": 500},
        {"status": 503, "body": "<html>busy</html>"},
        {"status": 429, "headers": {"Retry-After": "0"}},
        {"status": 200, "body": "<html>rate limit</html>"},
        {"status": 200, "body": ""},
        {"kind": "cut"},
        {"kind": "cut", "after_bytes": 300},
        {"kind": "cut", "after_bytes": 300, "content_length": True},
    ],
)
def test_failures_that_pass_cost_no_row_and_repeat_none(
    sandbox: Sandbox, run: Callable[..., Any], fault: dict[str, Any]
) -> None:
    rows = rows_over(hours=3, per_hour=30)
    sandbox.put_export_rows(rows)
    sandbox.plan(**{"path": EXPORT, "kind": "status", "times": 2} | fault)
    result = run(window_hours=2, end_date="2026-03-14T04:00:00Z")
    assert result.error == ""
    assert ids(result) == each_once(rows)
    assert result.metrics["http_retry_count"] == 2


@pytest.mark.parametrize(
    "fault", [{"status": 500}, {"status": 200, "body": "<html>"}, {"kind": "cut", "after_bytes": 300}]
)
def test_failures_that_last_stop_the_run_behind_what_is_complete(
    sandbox: Sandbox, run: Callable[..., Any], fault: dict[str, Any]
) -> None:
    rows = rows_over(hours=3, per_hour=30)
    sandbox.put_export_rows(rows)
    sandbox.plan(**{"path": EXPORT, "kind": "status", "when": "start=20260314T01", "times": None} | fault)
    failed = run(window_hours=1)
    assert failed.code == 1
    assert "Run again later" in failed.error
    assert bookmark(failed) == "2026-03-14T01:00:00+00:00"
    sandbox.call("DELETE", "/faults")
    assert ids(failed) + ids(run(state=failed.state)) == each_once(rows)


def test_windows_download_ahead_and_come_out_in_order(run_tap: Callable[..., Any]) -> None:
    fourth_asked = threading.Event()

    def answer(request: Request) -> Answer:
        hour = int(request.query[len("start=20260314T") :][:2])
        if hour == 3:
            fourth_asked.set()
        rows = [export_row(hour, f"2026-03-14 {hour:02}:30:00.000000")]
        return Answer(archive_of({entry_name(hour): rows}), before=fourth_asked.wait if hour == 0 else list)

    with scripted(answer) as server:
        result = run_tap(api_url=server.url, window_hours=1, max_parallel_windows=4, end_date="2026-03-14T06:00:00Z")
    assert [record["export_hour"][11:13] for record in result.records("events")] == [f"{hour:02}" for hour in range(6)]


@pytest.mark.parametrize("key", ["wrong-key", "other-region-key"])
def test_a_wrong_key_is_said_and_not_asked_again(sandbox: Sandbox, run: Callable[..., Any], key: str) -> None:
    result = run(api_key=key)
    assert "'api_key'" in result.error
    assert "'region'" in result.error
    assert key not in result.error + result.stderr
    assert result.metrics["http_retry_count"] == 0


def test_rows_that_cannot_be_read_are_kept_aside(sandbox: Sandbox, run: Callable[..., Any], tmp_path: Any) -> None:
    rows = rows_over(hours=1, per_hour=50)
    bad = export_row(99, "2026-03-14 00:30:00.000000", uuid=None, user_id="somebody")
    sandbox.put_export_rows([*rows, bad])
    result = run()
    assert ids(result) == each_once(rows)
    assert result.metrics["records_skipped"] == 1
    (aside,) = (tmp_path / "spool").iterdir()
    assert aside.stat().st_mode & 0o777 == 0o600
    assert json.loads(json.loads(aside.read_text())["line"])["user_id"] == "somebody"
    assert str(aside) in result.stderr
    assert "somebody" not in result.stderr


def test_an_hour_of_unreadable_rows_stops_the_run(sandbox: Sandbox, run: Callable[..., Any]) -> None:
    bad = [export_row(n, "2026-03-14 01:30:00.000000", uuid=None) for n in range(20)]
    sandbox.put_export_rows([*rows_over(hours=2, per_hour=30), *bad])
    result = run()
    assert "20 of 50 rows" in result.error
    assert bookmark(result) == "2026-03-14T01:00:00+00:00"


def test_nothing_stays_in_the_spool_directory(sandbox: Sandbox, run: Callable[..., Any], tmp_path: Any) -> None:
    sandbox.put_export_rows(rows_over(hours=2, per_hour=30))
    run()
    sandbox.plan(path=EXPORT, kind="cut", after_bytes=300, times=None)
    run()
    assert list((tmp_path / "spool").iterdir()) == []


def test_deselected_fields_stay_out_and_maps_are_applied(sandbox: Sandbox, run: Callable[..., Any]) -> None:
    rows = rows_over(hours=1, per_hour=3)
    sandbox.put_export_rows(rows)
    maps = {"events": {"event_type": "event_type.upper()", "user_id": "__NULL__", "__filter__": "event_id != 1"}}
    result = run(stream_maps=maps, end_date="2026-03-14T01:00:00Z")
    kept = result.records("events")
    assert sorted(record["event_id"] for record in kept) == [0, 2]
    assert {record["event_type"] for record in kept} == {"GET_TREATMENT"}
    assert not any("user_id" in record for record in kept)
    assert bookmark(result) == "2026-03-14T01:00:00+00:00"
    assert kept[0]["$insert_id"].startswith("insert-")


def test_flattened_records_keep_the_bookmark_too(sandbox: Sandbox, run: Callable[..., Any]) -> None:
    sandbox.put_export_rows(rows_over(hours=2, per_hour=3))
    result = run(flattening_enabled=True, flattening_max_depth=1, end_date="2026-03-14T02:00:00Z")
    assert len(result.records("events")) == 6
    assert bookmark(result) == "2026-03-14T02:00:00+00:00"
