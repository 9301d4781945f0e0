"""The Export API: https://amplitude.com/docs/apis/analytics/export."""

from __future__ import annotations

import gzip
import io
import json
import re
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import requests

from support.sandbox import Sandbox

AUTH = ("test-api-key", "test-secret-key")
ENTRY = re.compile(r"100042/100042_(\d{4}-\d\d-\d\d)_(\d{1,2})#\d+\.json\.gz")
MOMENT = 1_773_480_413_589
FIELDS = 55


@pytest.fixture(scope="module")
def early_sandbox() -> Iterator[Sandbox]:
    """A sandbox that stamps what arrives with a time four hours ago, so that it can be exported at once."""
    sandbox = Sandbox("--upload-time-offset", "-14400")
    yield sandbox
    sandbox.stop()


def export(sandbox: Sandbox, start: str, end: str, auth: tuple[str, str] = AUTH) -> requests.Response:
    return sandbox.http.get(sandbox.url + "/api/2/export", params={"start": start, "end": end}, auth=auth)


def files(answer: requests.Response) -> dict[str, list[dict[str, Any]]]:
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "application/zip"
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        return {
            name: [json.loads(line) for line in gzip.decompress(archive.read(name)).splitlines()]
            for name in archive.namelist()
        }


def row(number: int, upload_time: str) -> dict[str, Any]:
    return {"uuid": f"row-{number}", "event_type": "seen", "server_upload_time": upload_time, "extra": 2**60}


def test_rows_come_back_as_they_were_by_inclusive_hours(sandbox: Sandbox) -> None:
    times = ("08:59:59.999999", "09:00:00.000000", "10:59:59.999999", "11:00:00.000000")
    rows = [row(number, f"2026-03-14 {time}") for number, time in enumerate(times)]
    sandbox.put_export_rows(rows)
    found = files(export(sandbox, "20260314T09", "20260314T10"))
    assert [entry.groups() for entry in map(ENTRY.fullmatch, found) if entry] == [
        ("2026-03-14", "9"),
        ("2026-03-14", "10"),
    ]
    assert [one for lines in found.values() for one in lines] == rows[1:3]


def test_an_hour_has_many_files_in_no_order(sandbox: Sandbox) -> None:
    sandbox.put_export_rows([row(number, "2026-03-14 09:00:00") for number in range(2500)])
    found = files(export(sandbox, "20260314T09", "20260314T09"))
    assert len(found) == 3
    numbers = [one["uuid"] for lines in found.values() for one in lines]
    assert sorted(numbers) == sorted(f"row-{number}" for number in range(2500))
    assert numbers != sorted(numbers, key=lambda name: int(name[4:]))


def test_each_archive_holds_the_entries_that_were_added(sandbox: Sandbox) -> None:
    sandbox.put_export_rows([row(1, "2026-03-14 09:00:00.000000")])
    sandbox.put_export_entries({"__MACOSX/": "", "notes.json": "{}"})
    archive = zipfile.ZipFile(io.BytesIO(export(sandbox, "20260314T09", "20260314T09").content))
    assert archive.namelist()[:2] == ["__MACOSX/", "notes.json"]
    assert archive.read("notes.json") == b"{}"
    assert len(archive.namelist()) == 3
    sandbox.reset()
    sandbox.put_export_rows([row(1, "2026-03-14 09:00:00.000000")])
    assert len(files(export(sandbox, "20260314T09", "20260314T09"))) == 1


def test_an_empty_range_is_not_found(sandbox: Sandbox) -> None:
    answer = export(sandbox, "20260314T00", "20260314T23")
    assert (answer.status_code, answer.text) == (404, "Raw data files were not found.")


@pytest.mark.parametrize("auth", [("wrong-key", "secret"), ("key", "wrong-secret"), ("", "secret"), ("key", "")])
def test_wrong_keys_are_refused(sandbox: Sandbox, auth: tuple[str, str]) -> None:
    answer = export(sandbox, "20260314T00", "20260314T23", auth)
    assert (answer.status_code, answer.text) == (403, "Invalid API Key")


@pytest.mark.parametrize(
    ("start", "end"),
    [
        ("", ""),
        ("2026-03-14", "20260314T01"),
        ("20260314T24", "20260315T01"),
        ("20260314T02", "20260314T01"),
        ("20250101T00", "20260101T00"),
    ],
)
def test_a_bad_range_is_refused(sandbox: Sandbox, start: str, end: str) -> None:
    assert export(sandbox, start, end).status_code == 400


def test_a_whole_year_is_allowed(sandbox: Sandbox) -> None:
    assert export(sandbox, "20250101T00", "20251231T23").status_code == 404


def test_an_hour_is_exported_two_hours_after_its_end(sandbox: Sandbox) -> None:
    now = datetime.now(UTC)
    available, fresh = ((now - timedelta(hours=hours)).strftime("%Y-%m-%d %H:00:00") for hours in (3, 2))
    sandbox.put_export_rows([row(1, available), row(2, fresh)])
    found = files(export(sandbox, f"{now - timedelta(hours=5):%Y%m%dT%H}", f"{now:%Y%m%dT%H}"))
    assert [one["uuid"] for lines in found.values() for one in lines] == ["row-1"]


def test_what_came_in_can_be_exported(early_sandbox: Sandbox) -> None:
    sandbox = early_sandbox
    sandbox.reset()
    events = [
        {
            "event_type": "$exposure",
            "user_id": "user-0042",
            "time": MOMENT,
            "insert_id": "first",
            "event_properties": {"flag_key": "checkout", "variant": "on", "label": "rule 1"},
        },
        {
            "event_type": "bought",
            "user_id": "user-0042",
            "device_id": "device-7",
            "time": MOMENT + 1,
            "session_id": MOMENT,
            "user_properties": {"plan": "gold"},
            "event_properties": {"cart": {"total": 41.9}, "text": "é" * 2000},
            "app_version": "4.2.0",
            "carrier": "carrier",
            "ip": "203.0.113.9",
            "revenue": 3.5,
            "groups": {"org": ["acme"]},
            "library": "test/1.0",
        },
        {"event_type": "$identify", "user_id": "user-0042", "user_properties": {"plan": "silver"}},
    ]
    answer = sandbox.http.post(sandbox.url + "/batch", json={"api_key": "test-api-key", "events": events})
    upload = datetime.fromtimestamp(answer.json()["server_upload_time"] / 1000, UTC)
    hour = f"{upload:%Y%m%dT%H}"
    found = files(export(sandbox, hour, hour))
    assert files(export(sandbox, hour, hour)) == found
    (rows,) = found.values()
    exposure, bought = sorted(rows, key=lambda one: one["event_time"])
    assert len(exposure) == len(bought) == FIELDS
    assert (
        exposure
        | {
            "event_type": "[Experiment] Exposure",
            "$insert_id": "first",
            "event_time": "2026-03-14 09:26:53.589000",
            "client_event_time": "2026-03-14 09:26:53.589000",
            "event_properties": {
                "[Experiment] Flag Key": "checkout",
                "[Experiment] Variant": "on",
                "label": "rule 1",
            },
            "user_properties": {"[Experiment] checkout": "on"},
            "user_id": "user-0042",
            "session_id": -1,
            "library": "http/2.0",
            "app": 100_042,
        }
        == exposure
    )
    assert (
        bought
        | {
            "event_type": "bought",
            "device_id": "device-7",
            "session_id": MOMENT,
            "event_properties": {"cart": {"total": 41.9}, "text": "é" * 1024, "$revenue": 3.5},
            "user_properties": {"[Experiment] checkout": "on", "plan": "gold"},
            "version_name": "4.2.0",
            "device_carrier": "carrier",
            "ip_address": "203.0.113.9",
            "groups": {"org": ["acme"]},
            "library": "test/1.0",
            "user_creation_time": "2026-03-14 09:26:53.589000",
        }
        == bought
    )
    assert exposure["amplitude_id"] == bought["amplitude_id"]
    assert exposure["uuid"] != bought["uuid"]
    assert exposure["device_id"]
    for name in (
        "event_time",
        "client_event_time",
        "client_upload_time",
        "processed_time",
        "server_received_time",
        "server_upload_time",
        "user_creation_time",
    ):
        assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{6}", exposure[name])
    assert exposure["server_upload_time"].startswith(f"{upload:%Y-%m-%d %H:%M:%S}")


def test_a_skewed_clock_is_corrected(early_sandbox: Sandbox) -> None:
    """`event_time` moves by the difference of the clocks, unless that is under a minute."""
    sandbox = early_sandbox
    sandbox.reset()
    sent = datetime.now(UTC) - timedelta(hours=1)
    body = {
        "api_key": "test-api-key",
        "client_upload_time": sent.isoformat(),
        "events": [{"event_type": "seen", "user_id": "user-0042", "time": MOMENT}],
    }
    answer = sandbox.http.post(sandbox.url + "/2/httpapi", json=body)
    hour = f"{datetime.fromtimestamp(answer.json()['server_upload_time'] / 1000, UTC):%Y%m%dT%H}"
    (rows,) = files(export(sandbox, hour, hour)).values()
    times = {
        name: datetime.fromisoformat(rows[0][name])
        for name in ("event_time", "client_event_time", "server_received_time", "client_upload_time")
    }
    assert times["client_event_time"] == datetime(2026, 3, 14, 9, 26, 53, 589_000)
    skew = times["server_received_time"] - times["client_upload_time"]
    assert timedelta(hours=1) <= skew < timedelta(hours=1, minutes=1)
    assert times["event_time"] == times["client_event_time"] + skew


def test_far_times_are_stored_too(early_sandbox: Sandbox) -> None:
    sandbox = early_sandbox
    sandbox.reset()
    events = [{"event_type": "seen", "user_id": "user-0042", "time": moment} for moment in (-(10**14), 10**15)]
    answer = sandbox.http.post(sandbox.url + "/batch", json={"api_key": "test-api-key", "events": events})
    hour = f"{datetime.fromtimestamp(answer.json()['server_upload_time'] / 1000, UTC):%Y%m%dT%H}"
    (rows,) = files(export(sandbox, hour, hour)).values()
    assert sorted(one["event_time"] for one in rows) == ["0001-01-01 00:00:00.000000", "9999-12-31 23:59:59.999999"]


def test_rows_may_hold_anything_else(sandbox: Sandbox) -> None:
    odd = row(1, "2026-03-14 09:00:00.500") | {"amplitude_id": 2**64, "session_id": [], "event_time": None}
    lines = json.dumps([odd], indent=2)
    sandbox.http.post(sandbox.url + "/_sandbox/amplitude/export-rows", data=lines).raise_for_status()
    assert files(export(sandbox, "20260314T09", "20260314T09")).popitem()[1] == [odd]


def test_a_row_needs_its_upload_time(sandbox: Sandbox) -> None:
    answer = sandbox.http.post(sandbox.url + "/_sandbox/amplitude/export-rows", json=[{"uuid": "row"}])
    assert answer.status_code == 400
