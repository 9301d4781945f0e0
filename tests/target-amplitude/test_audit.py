"""An audit tells what is missing, duplicated, rejected or too recent, and what it cannot tell."""

from __future__ import annotations

import io
import json
import os
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from support.amplitude_target import Loaded, load
from support.impressions import impression, messages
from support.processes import Result, Workplace
from support.sandbox import Sandbox
from target_amplitude.common.audit.page import page
from target_amplitude.common.audit.report import Findings, Report
from target_amplitude.common.audit.store import AuditStore

EVENTS_SCHEMA = {
    "type": "SCHEMA",
    "stream": "events",
    "schema": {
        "properties": {
            name: {"type": ["string", "null"]} for name in ("uuid", "$insert_id", "server_upload_time", "event_type")
        }
    },
    "key_properties": ["uuid"],
}
NOW = datetime(2026, 3, 16, 12, tzinfo=UTC)


def exported(
    number: int, *, copy: int = 0, uploaded: str = "2026-03-14 09:30:00.000000", **more: Any
) -> dict[str, Any]:
    """The row of an impression in Amplitude's export."""
    row = {"uuid": f"uuid-{number}-{copy}", "$insert_id": f"{number:032x}", "server_upload_time": uploaded} | more
    return {"type": "RECORD", "stream": "events", "record": row}


def seen(number: int, **changes: Any) -> dict[str, Any]:
    """An impression of 14 March, 00:00 to 01:00, loaded long before the export's end."""
    return impression(number, received_at="2026-03-14T01:00:00.000Z", **changes)


class Auditing:
    """An audit file, and what is done with it in this process."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "audit.sqlite"
        self.config = {"api_key": "test-api-key", "api_url": "http://127.0.0.1:1", "audit_path": str(self.path)}

    def expect(self, records: list[dict[str, Any]], **settings: Any) -> Loaded:
        return load(self.config | settings, messages(records))

    def arrive(self, rows: list[dict[str, Any]], **settings: Any) -> Loaded:
        state = {"type": "STATE", "value": {"rows": len(rows)}}
        return load(self.config | settings, [EVENTS_SCHEMA, *rows, state])

    def report(self, now: datetime = NOW) -> Report:
        store = AuditStore(str(self.path))
        try:
            return Findings(store, now.timestamp()).report()
        finally:
            store.close()


@pytest.fixture
def auditing(tmp_path: Path) -> Auditing:
    return Auditing(tmp_path)


def test_each_kind_is_counted(auditing: Auditing):
    newest = "2026-03-14 12:00:00.000000"
    records = [
        seen(0),
        seen(1),  # missing
        seen(2),  # twice in Amplitude
        seen(3, key="null"),  # rejected
        seen(4, key=None),  # skipped
        seen(5, split="other"),
        impression(6, received_at="2026-03-14T10:00:00.000Z"),  # too recent: loaded at 10 or later, exported until 12
        seen(0),  # the tap read it twice
    ]
    loaded = auditing.expect(records)
    assert (loaded.error, loaded.state) == ("", {"read": 8})
    assert loaded.reasons["records_skipped", "audit: noted as expected"] == 6
    rows = [exported(0), exported(2), exported(2, copy=1), exported(5, uploaded=newest), exported(999), exported(0)]
    assert auditing.arrive([*rows, exported(1, **{"$insert_id": None})]).state == {"rows": 7}
    report = auditing.report()
    total = report.total
    assert (total.expected, total.arrived, total.missing, total.duplicated) == (5, 3, 1, 1)
    assert (total.rejected, total.too_recent) == (1, 1)
    assert report.problems == []
    assert not report.is_clean
    assert any("within the 7 days" in note for note in report.notes)
    assert any("Too recent to tell: 1." in note for note in report.notes)


def test_by_hour_and_flag(auditing: Auditing):
    records = [seen(0), seen(1, split="other"), seen(2, time="2026-03-14T05:59:59.999Z"), seen(3, key="null")]
    auditing.expect(records)
    auditing.arrive([exported(n) for n in range(3)])
    store = AuditStore(str(auditing.path))
    lines = [(line.hour, line.group, line.counts.expected, line.counts.rejected) for line in Findings(store).lines()]
    assert lines == [
        ("2026-03-14 00:00", "checkout_redesign", 1, 1),
        ("2026-03-14 00:00", "other", 1, 0),
        ("2026-03-14 05:00", "checkout_redesign", 1, 0),
    ]


def test_other_streams_and_ways_are_audited_by_their_mapping(auditing: Auditing):
    orders = {"properties": {"id": {"type": "integer"}, "user": {"type": "string"}, "at": {"type": "string"}}}
    mapping = {"event_type": "Order", "user_id": "user", "time": "at", "insert_id": "id", "filter": {"user": ["a*"]}}
    lines: list[Any] = [{"type": "SCHEMA", "stream": "orders", "schema": orders, "key_properties": ["id"]}]
    lines += [
        {"type": "RECORD", "stream": "orders", "record": {"id": n, "user": user, "at": "2026-03-14T01:00:00Z"}}
        for n, user in enumerate(["ada", "alan", "barbara"])
    ]
    assert load(auditing.config | {"mappings": {"orders": mapping}}, lines).error == ""
    auditing.arrive([exported(1, **{"$insert_id": "1"})], mappings={"orders": mapping})
    report = auditing.report()
    assert (report.total.expected, report.total.arrived, report.total.missing) == (2, 1, 1)


def test_identifications_cannot_be_audited(auditing: Auditing):
    assert "cannot be audited" in auditing.expect([seen(0)], load_as="identify").error


class TestWhatAnAuditCannotTell:
    def test_a_pass_that_is_missing(self, auditing: Auditing):
        auditing.expect([seen(0)])
        report = auditing.report()
        assert "No pass has noted exported events" in report.problems[0]
        assert (report.total.missing, report.total.too_recent) == (0, 1)
        assert not report.is_clean

    def test_passes_without_an_hour_in_common(self, auditing: Auditing):
        auditing.expect([seen(0)])
        auditing.arrive([exported(7, uploaded="2026-03-20 09:00:00.000000")])
        (problem,) = auditing.report().problems
        assert "No expected record is in the export" in problem
        assert "2026-03-14 00:00" in problem
        assert "2026-03-20 09:00" in problem

    def test_settings_that_changed_between_the_passes(self, auditing: Auditing):
        auditing.expect([seen(0)])
        assert "Setting 'load_as' changed" in auditing.arrive([exported(0)], load_as="exposure").error
        assert auditing.arrive([exported(0)], max_parallel_requests=2).error == ""
        assert auditing.report().is_clean

    def test_an_export_without_events(self, auditing: Auditing):
        auditing.expect([seen(0)])
        assert auditing.arrive([]).error == ""
        (problem,) = auditing.report().problems
        assert "The export holds no events" in problem

    def test_a_file_that_another_pass_writes(self, auditing: Auditing):
        auditing.expect([seen(0)])
        with closing(sqlite3.connect(auditing.path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            error = auditing.arrive([exported(0)]).error
        assert "is in use by another pass or report" in error

    def test_a_pass_that_was_stopped_half_way(self, auditing: Auditing):
        """A tap that dies sends half a line; the target stops there."""
        auditing.expect([seen(0), seen(1)])
        rows: list[Any] = [EVENTS_SCHEMA, exported(0), '{"type": "RECORD", "stream": "ev']
        assert "not valid JSON" in load(auditing.config, rows).error
        assert "did not finish" in auditing.report().problems[0]
        auditing.arrive([exported(0), exported(1)])
        report = auditing.report()
        assert report.is_clean
        assert report.total.duplicated == 0

    @pytest.mark.parametrize("content", [b"not a database", b"SQLite format 3\0" + b"x" * 4000])
    def test_a_file_of_something_else(self, content: bytes, auditing: Auditing, workplace: Workplace):
        auditing.path.write_bytes(content)
        result = workplace.run("target-amplitude", None, "--audit-report", auditing.path)
        assert result.code == 1
        assert "cannot be used as an audit file" in result.stderr
        assert auditing.path.read_bytes() == content

    def test_no_file(self, tmp_path: Path, workplace: Workplace):
        result = workplace.run("target-amplitude", None, "--audit-report", tmp_path / "none")
        assert (result.code, result.stdout) == (1, "")
        assert "There is no audit file" in result.stderr

    def test_a_symlink(self, auditing: Auditing, tmp_path: Path):
        auditing.path.symlink_to(tmp_path / "elsewhere")
        assert "audit_path" in auditing.expect([seen(0)]).error
        assert not (tmp_path / "elsewhere").exists()

    @pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file to another user")
    def test_root_reports_on_a_file_of_another_user(self, auditing: Auditing):
        auditing.expect([seen(0)])
        auditing.arrive([exported(0)])
        os.chown(auditing.path, 12_345, 12_345)
        assert auditing.report().is_clean


def missing_lines(auditing: Auditing) -> list[dict[str, Any]]:
    store = AuditStore(str(auditing.path))
    try:
        return [json.loads(line) for line in Findings(store).missing_messages()]
    finally:
        store.close()


def test_missing_records_are_written_as_the_tap_sent_them_before_stream_maps(auditing: Auditing):
    maps = {"impressions": {"key": "md5(record['key'])", "label": "__NULL__", "__alias__": "hashed"}}
    records = [seen(n) for n in range(3)]
    auditing.expect(records, stream_maps=maps, mappings={"hashed": {"filter": {"split": ["*"]}}})
    auditing.arrive([exported(0)], mappings={"hashed": {"filter": {"split": ["*"]}}})
    schema, *lines = missing_lines(auditing)
    given = next(iter(messages(records)))
    assert (schema["stream"], schema["schema"]) == ("impressions", given["schema"])
    assert [line["record"] for line in lines] == records[1:]


def test_missing_records_of_batch_files_are_written_as_the_files_hold_them(auditing: Auditing, tmp_path: Path):
    records = [seen(n) for n in range(5)]
    file = tmp_path / "batch.jsonl"
    file.write_text("".join(f"{json.dumps(record)}\n" for record in records), encoding="utf-8")
    batch = {
        "type": "BATCH",
        "stream": "impressions",
        "encoding": {"format": "jsonl", "compression": "none"},
        "manifest": [file.as_uri()],
    }
    assert load(auditing.config, [next(iter(messages([]))), batch]).error == ""
    auditing.arrive([exported(n) for n in (0, 2)])
    assert auditing.report().total.missing == 3
    _, *lines = missing_lines(auditing)
    assert [(line["type"], line["stream"]) for line in lines] == [("RECORD", "impressions")] * 3
    assert [line["record"] for line in lines] == [records[n] for n in (1, 3, 4)]


def test_the_page_escapes_and_draws(auditing: Auditing):
    auditing.expect([seen(0, split="<script>alert(1)</script>"), seen(1, time="2026-03-14T07:00:00Z")])
    auditing.arrive([exported(1)])
    store = AuditStore(str(auditing.path))
    findings = Findings(store)
    html = page([(findings, findings.report())])
    assert "<script" not in html
    assert "&lt;script&gt;" in html
    assert html.count("<rect") == 2
    assert "http://" not in html
    assert "https://" not in html


@pytest.fixture(scope="module")
def exporting() -> Iterator[Sandbox]:
    """A sandbox whose uploads can be exported at once."""
    sandbox = Sandbox("--upload-time-offset=-21600")
    yield sandbox
    sandbox.stop()


def test_as_processes_from_loss_to_repair(exporting: Sandbox, workplace: Workplace):
    """Load with a loss, audit, send what is missing, audit again."""
    exporting.reset()
    now = datetime.now(UTC)
    loaded_at = (now - timedelta(hours=30)).isoformat()
    records = [impression(n, received_at=loaded_at, time=loaded_at) for n in range(300)]
    target = {"api_key": "test-api-key", "api_url": exporting.url}
    tap = target | {"secret_key": "s", "start_date": (now - timedelta(hours=12)).isoformat(), "lag_hours": 3}
    audit = target | {"audit_path": str(workplace.folder / "audit.sqlite")}
    catalog = workplace.run("tap-amplitude", tap, "--discover")
    chosen = json.loads(catalog.stdout)
    for stream in chosen["streams"]:
        for entry in stream["metadata"]:
            if not entry["breadcrumb"]:
                entry["metadata"]["selected"] = stream["tap_stream_id"] == "events"

    def run_audit() -> Result:
        events = workplace.run("tap-amplitude", tap, catalog=chosen)
        assert events.code == 0, events.stderr
        arrived = workplace.run("target-amplitude", audit, messages=events.stdout.splitlines())
        assert arrived.code == 0, arrived.stderr
        assert arrived.state is not None
        files = ["--html", "audit.html", "--missing", "missing.jsonl", "--format", "json"]
        return workplace.run("target-amplitude", None, "--audit-report", audit["audit_path"], *files)

    kept = [record for n, record in enumerate(records) if n % 100 != 7]
    assert workplace.run("target-amplitude", target, messages=messages(kept)).code == 0
    assert workplace.run("target-amplitude", audit, messages=messages(records)).state == {"read": 300}
    first = run_audit()
    assert first.code == 1
    report = json.loads(first.stdout)
    assert (report["total"]["expected"], report["total"]["missing"]) == (300, 3)
    assert report["total"] == {**report["total"], "arrived": 297, "duplicated": 0, "too_recent": 0}
    assert sum(line["missing"] for line in report["hours"]) == 3
    assert stat.S_IMODE((workplace.folder / "audit.sqlite").stat().st_mode) == 0o600
    assert "3 records are missing" in (workplace.folder / "audit.html").read_text("utf-8")
    lines = (workplace.folder / "missing.jsonl").read_text("utf-8").splitlines()
    assert [json.loads(line)["record"]["key"] for line in lines[1:]] == ["user-000007", "user-000107", "user-000207"]
    assert workplace.run("target-amplitude", target, messages=lines).code == 0
    assert len(exporting.amplitude_events()) == 300
    again = run_audit()
    assert again.code == 0, again.stdout
    assert json.loads(again.stdout)["is_clean"] is True
    text = workplace.run("target-amplitude", None, "--audit-report", audit["audit_path"])
    assert (text.code, text.stdout.splitlines()[-1]) == (0, "Nothing is missing.")
    assert "Traceback" not in io.StringIO(text.stderr).read()


def test_an_export_without_permission(exporting: Sandbox, workplace: Workplace):
    """The tap says so and fails; the report says that it cannot tell."""
    exporting.reset()
    exporting.plan(path="/api/2/export", status=403, times=None)
    target = {"api_key": "test-api-key", "api_url": exporting.url}
    audit = target | {"audit_path": str(workplace.folder / "audit.sqlite")}
    start = (datetime.now(UTC) - timedelta(hours=12)).isoformat()
    assert workplace.run("target-amplitude", audit, messages=messages([seen(0)])).code == 0
    tap = workplace.run("tap-amplitude", target | {"secret_key": "s", "start_date": start})
    assert tap.code == 1
    assert "does not let this project read" in tap.stderr
    chosen = [line for line in tap.stdout.splitlines() if '"stream":"events"' in line.replace('": "', '":"')]
    assert workplace.run("target-amplitude", audit, messages=chosen).code == 0
    report = workplace.run("target-amplitude", None, "--audit-report", audit["audit_path"])
    assert report.code == 1
    assert "The export holds no events" in report.stdout
