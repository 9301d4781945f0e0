"""An audit of what Split accepted: exported events are expected, and the ledger says what became of them."""

from __future__ import annotations

import json
import sqlite3
import stat
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from support.amplitude import EVENT_SCHEMA, TEXT, event, members, members_messages
from support.database import programs, running_postgres
from support.impressions import impression, messages
from support.processes import Result, Workplace
from support.sandbox import Sandbox
from target_split.audit.passes import IDS_PER_LOOKUP
from target_split.common.audit.report import Findings, Report
from target_split.common.audit.store import AuditStore
from target_split.ledger.postgres_ledger import PostgresLedger
from target_split.ledger.sqlite_ledger import SQLiteLedger

LEDGER_DAYS = 14
HOUR = timedelta(hours=1)
NOW = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
SCHEMA = EVENT_SCHEMA | {"properties": EVENT_SCHEMA["properties"] | {"server_upload_time": TEXT, "library": TEXT}}


def happened(number: int, hours_ago: int = 10, **changes: Any) -> dict[str, Any]:
    """An exported event of some hours ago."""
    moment = (NOW - hours_ago * HOUR + timedelta(seconds=number)).isoformat()
    return event(number, **{"event_time": moment, "server_upload_time": moment, "library": "javascript/2.0"} | changes)


def export(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [
        {"type": "SCHEMA", "stream": "events", "schema": SCHEMA, "key_properties": ["uuid"]},
        *({"type": "RECORD", "stream": "events", "record": row} for row in rows),
        {"type": "STATE", "value": {"rows": len(rows)}},
    ]


class Auditing:
    """A pipeline into Split, and its audit."""

    def __init__(self, config: dict[str, Any], run: Callable[..., Result], folder: Path) -> None:
        self.config = config
        self.path = folder / "audit.sqlite"
        self.audit_config = config | {"audit_path": str(self.path)}
        self._run = run

    def load(self, rows: list[dict[str, Any]], **settings: Any) -> None:
        result = self.load_anyhow(rows, **settings)
        assert result.code == 0, result.stderr

    def load_anyhow(self, rows: list[dict[str, Any]], **settings: Any) -> Result:
        return self._run(self.config | settings, export(rows))

    def give(self, messages: list[Any]) -> Result:
        return self._run(self.audit_config, messages)

    def audit(self, rows: list[dict[str, Any]], **settings: Any) -> Result:
        return self._run(self.audit_config | settings, export(rows))

    def report(self) -> Report:
        store = AuditStore(str(self.path))
        try:
            return Findings(store).report()
        finally:
            store.close()


@pytest.fixture
def auditing(config: dict[str, Any], run_here: Callable[..., Result], tmp_path: Path) -> Auditing:
    return Auditing(config, run_here, tmp_path)


def test_each_kind_is_counted(auditing: Auditing, sandbox: Sandbox):
    rows = [happened(n) for n in range(6)]
    auditing.load([*rows[:4], happened(50, hours_ago=4)])
    posted = len(sandbox.split_events())
    result = auditing.audit(
        [
            *rows,  # two of them were never sent
            happened(50, hours_ago=4),
            happened(51, hours_ago=2),  # the pipeline may not have come so far
            happened(52, library="target-amplitude/1.0"),
            happened(53, user_id=None),
            happened(54, event_time="not a time"),
            happened(55, hours_ago=24 * (LEDGER_DAYS + 2)),
            rows[0],  # read twice
        ]
    )
    assert result.code == 0, result.stderr
    assert result.state == {"rows": 13}
    report = auditing.report()
    total = report.total
    assert (total.expected, total.arrived, total.missing, total.too_recent) == (9, 5, 2, 1)
    assert (total.skipped, total.rejected, total.forgotten, total.ambiguous) == (2, 1, 1, 0)
    assert report.problems == []
    assert not report.is_clean
    assert "Skipped: no key (1), own event (1)." in report.notes
    assert "Rejected: a time that cannot be read (1)." in report.notes
    assert len(sandbox.split_events()) == posted
    assert not Path(auditing.config["rejects_path"]).exists()


def test_by_hour_and_event_type(auditing: Auditing):
    rows = [happened(0), happened(1, hours_ago=8), happened(2, hours_ago=8, event_type="Search")]
    auditing.load(rows)
    auditing.audit(rows)
    store = AuditStore(str(auditing.path))
    lines = [(line.hour, line.group, line.counts.arrived) for line in Findings(store).lines()]
    store.close()
    first, second = (f"{NOW - hours * HOUR:%Y-%m-%d %H:00}" for hours in (10, 8))
    assert lines == [
        (first, "[Amplitude] Page Viewed", 1),
        (second, "Search", 1),
        (second, "[Amplitude] Page Viewed", 1),
    ]


def test_events_whose_answer_was_lost_are_ambiguous(auditing: Auditing, sandbox: Sandbox):
    rows = [happened(n) for n in range(5)]
    auditing.load(rows[:2])
    sandbox.plan(kind="lost", path="/api/events/bulk", times=None)
    failed = auditing.load_anyhow(rows, retry_timeout_seconds=0)
    assert failed.code == 1
    auditing.audit(rows)
    report = auditing.report()
    assert (report.total.expected, report.total.arrived, report.total.ambiguous, report.total.missing) == (5, 2, 3, 0)
    assert any("Ambiguous: 3." in note for note in report.notes)


def test_more_events_than_one_look_up_takes(auditing: Auditing):
    rows = [happened(n) for n in range(IDS_PER_LOOKUP + 10)]
    auditing.load(rows)
    auditing.audit(rows)
    total = auditing.report().total
    assert (total.expected, total.arrived) == (len(rows), len(rows))


def test_what_is_accepted_later_is_found_by_the_next_audit(auditing: Auditing):
    rows = [happened(n) for n in range(5)]
    auditing.load([*rows[:2], happened(50, hours_ago=4)])
    auditing.audit([*rows, happened(50, hours_ago=4)])
    assert auditing.report().total.missing == 3
    auditing.load(rows)
    assert auditing.audit([]).code == 0  # nothing new in the export
    assert auditing.report().is_clean


def test_a_ledger_that_a_killed_run_left(auditing: Auditing, workplace: Workplace):
    """Its write-ahead log is still there, and what it accepted is not in the large table yet."""
    rows = [happened(n) for n in range(20)]
    process = workplace.start(workplace.command("target-split", auditing.config))
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.writelines(f"{json.dumps(message)}\n" for message in export(rows))
    process.stdin.flush()
    assert json.loads(process.stdout.readline()) == {"rows": 20}
    process.kill()
    process.communicate()
    assert auditing.audit(rows).code == 0
    assert auditing.report().total.arrived == 20


class TestWhatCannotBeAudited:
    def test_a_ledger_in_use(self, auditing: Auditing):
        auditing.load([happened(0)])
        with closing(SQLiteLedger(auditing.config["ledger_path"], LEDGER_DAYS, skip_ambiguous=False)):
            result = auditing.audit([happened(0)])
        assert result.code == 1
        assert "is in use by another run. Audit when the pipeline does not run" in result.stderr

    def test_no_ledger(self, auditing: Auditing):
        result = auditing.audit([happened(0)])
        assert result.code == 1
        assert "there is no ledger" in result.stderr
        assert not Path(auditing.config["ledger_path"]).exists()

    def test_without_the_setting(self, auditing: Auditing):
        result = auditing.audit([happened(0)], ledger_path=None)
        assert result.code == 1
        assert "Setting 'audit_path' needs 'ledger_path'" in result.stderr

    def test_a_file_of_something_else(self, auditing: Auditing):
        with closing(sqlite3.connect(auditing.config["ledger_path"])) as database:
            database.execute("CREATE TABLE other (x)")
        result = auditing.audit([happened(0)])
        assert result.code == 1
        assert "is not a ledger" in result.stderr

    def test_the_ledger_is_left_as_it_is(self, auditing: Auditing):
        auditing.load([happened(0)])
        before = Path(auditing.config["ledger_path"]).read_bytes()
        assert auditing.audit([happened(0), happened(1)]).code == 0
        assert Path(auditing.config["ledger_path"]).read_bytes() == before

    def test_members_of_segments(self, auditing: Auditing):
        result = auditing.give(members_messages(members(1)))
        assert result.code == 1
        assert "is loaded as segments, which cannot be audited" in result.stderr

    def test_another_destination(self, auditing: Auditing):
        rows = [happened(n) for n in range(3)]
        auditing.load(rows)
        auditing.audit(rows, environment="Staging")
        (problem,) = auditing.report().problems
        assert "The ledger knows none of the expected events" in problem
        assert "'environment'" in problem

    def test_settings_that_changed_between_passes(self, auditing: Auditing):
        auditing.load([happened(0)])
        auditing.audit([happened(0)])
        changed = auditing.audit([happened(0)], key=["device_id"])
        assert changed.code == 1
        assert "Setting 'key' changed" in changed.stderr

    def test_an_audit_of_another_target(self, auditing: Auditing, workplace: Workplace):
        auditing.load([happened(0)])
        auditing.audit([happened(0)])
        config = {"api_key": "test-api-key", "audit_path": str(auditing.path)}
        result = workplace.run("target-amplitude", config, messages=[], inside=True)
        assert result.code == 1
        assert "is an audit of target-split" in result.stderr

    def test_a_pass_that_was_stopped_half_way(self, auditing: Auditing):
        rows = [happened(n) for n in range(3)]
        auditing.load(rows)
        cut = auditing.give([*export(rows)[:2], '{"type": "RECORD", "stream": "ev'])
        assert cut.code == 1
        assert "did not finish" in auditing.report().problems[0]
        assert auditing.audit(rows).code == 0
        assert auditing.report().is_clean


def test_as_processes_from_loss_to_repair(auditing: Auditing, sandbox: Sandbox, workplace: Workplace):
    """Load with a loss, audit, send what is missing, audit again."""
    rows = [happened(n) for n in range(200)]
    newest = happened(900, hours_ago=4)
    auditing.load([*(row for n, row in enumerate(rows) if n % 50 != 7), newest])

    def audit() -> Result:
        passed = workplace.run("target-split", auditing.audit_config, messages=export([*rows, newest]))
        assert passed.code == 0, passed.stderr
        files = ["--html", "audit.html", "--missing", "missing.jsonl", "--format", "json"]
        return workplace.run("target-split", None, "--audit-report", auditing.path, *files)

    first = audit()
    assert first.code == 1
    total = json.loads(first.stdout)["total"]
    assert (total["expected"], total["accepted"], total["missing"]) == (201, 197, 4)
    assert stat.S_IMODE(auditing.path.stat().st_mode) == 0o600
    assert "4 records are missing" in (workplace.folder / "audit.html").read_text("utf-8")
    lines = (workplace.folder / "missing.jsonl").read_text("utf-8").splitlines()
    assert [json.loads(line)["record"]["user_id"] for line in lines[1:]] == [
        rows[n]["user_id"] for n in range(7, 200, 50)
    ]
    assert workplace.run("target-split", auditing.config, messages=lines).code == 0
    assert len(sandbox.split_events()) == 201
    again = audit()
    assert again.code == 0, again.stdout
    assert json.loads(again.stdout)["is_clean"] is True


def test_one_report_of_both_directions(auditing: Auditing, workplace: Workplace):
    auditing.load([happened(0)])
    auditing.audit([happened(0)])
    other = workplace.folder / "amplitude.sqlite"
    config = {"api_key": "test-api-key", "api_url": "http://127.0.0.1:1", "audit_path": str(other)}
    assert workplace.run("target-amplitude", config, messages=messages([impression(0)]), inside=True).code == 0
    files = ["--audit-report", other, "--audit-report", auditing.path]
    report = workplace.run("target-split", None, *files, "--html", "audit.html")
    assert report.code == 1  # no export was read into the first
    assert report.stdout.index("Amplitude: what should be there") < report.stdout.index(
        "Split: what Amplitude's export"
    )
    assert (workplace.folder / "audit.html").read_text("utf-8").count("<h2>") == 2
    lines = workplace.run("target-amplitude", None, *files, "--format", "json").stdout.splitlines()
    assert [json.loads(line)["is_clean"] for line in lines] == [False, True]
    refused = workplace.run("target-split", None, *files, "--missing", "missing.jsonl")
    assert refused.code == 1
    assert "name one file" in refused.stderr


PROGRAMS = programs()


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    assert PROGRAMS is not None
    with running_postgres(PROGRAMS) as url:
        yield url.replace("+psycopg", "")


@pytest.fixture
def shared(server: str, auditing: Auditing) -> Iterator[Auditing]:
    """An audit of a pipeline with its ledger in PostgreSQL."""
    auditing.config["ledger_path"] = auditing.audit_config["ledger_path"] = server
    yield auditing
    with psycopg.connect(server, autocommit=True) as admin:
        admin.execute("DROP TABLE IF EXISTS target_split_events, target_split_pruned")


@pytest.mark.skipif(PROGRAMS is None, reason="no PostgreSQL server is installed")
class TestALedgerInPostgres:
    def test_each_kind_is_counted(self, shared: Auditing):
        rows = [happened(n) for n in range(6)]
        shared.load([*rows[:4], happened(50, hours_ago=4)])
        rest = [happened(50, hours_ago=4), happened(51, hours_ago=2), happened(55, hours_ago=24 * 16)]
        assert shared.audit([*rows, *rest]).code == 0
        total = shared.report().total
        assert (total.expected, total.arrived, total.missing, total.too_recent, total.forgotten) == (9, 5, 2, 1, 1)

    def test_a_user_who_may_only_read(self, shared: Auditing, server: str):
        rows = [happened(n) for n in range(3)]
        shared.load(rows)
        with psycopg.connect(server, autocommit=True) as admin:
            admin.execute("CREATE ROLE reader LOGIN")
            reader = server.replace("postgres@", "reader@")
            refused = shared.audit(rows, ledger_path=reader)
            admin.execute("GRANT SELECT ON target_split_events TO reader")
            allowed = shared.audit(rows, ledger_path=reader)
            admin.execute("DROP OWNED BY reader")
            admin.execute("DROP ROLE reader")
        assert refused.code == 1
        assert "Grant SELECT on target_split_events" in refused.stderr
        assert allowed.code == 0, allowed.stderr
        assert shared.report().is_clean

    def test_a_run_at_work_makes_its_events_ambiguous(self, shared: Auditing, server: str):
        rows = [happened(n) for n in range(3)]
        shared.load(rows[:1])
        with closing(PostgresLedger(server, LEDGER_DAYS, skip_ambiguous=False)) as ledger:
            assert shared.audit(rows).code == 0
            store = AuditStore(str(shared.path))
            ids = [key for (key,) in store.query("SELECT key FROM expected")]
            store.close()
            ledger.sift(ids)
            assert shared.audit([]).code == 0
            assert (shared.report().total.arrived, shared.report().total.ambiguous) == (1, 2)

    def test_no_ledger(self, shared: Auditing):
        result = shared.audit([happened(0)])
        assert result.code == 1
        assert "the database holds no ledger yet" in result.stderr

    def test_two_pipelines_with_different_destinations(self, shared: Auditing):
        """Each audit counts what its own pipeline loaded: ids hold the destination."""
        rows = [happened(n) for n in range(4)]
        shared.load(rows[:3])
        shared.load([*rows[:1], rows[3]], environment="Staging")
        shared.audit(rows)
        total = shared.report().total
        assert (total.arrived, total.missing + total.too_recent) == (3, 1)

    def test_a_server_that_goes_away_during_the_pass(self, auditing: Auditing, workplace: Workplace):
        rows = [happened(n) for n in range(3)]
        assert PROGRAMS is not None
        with running_postgres(PROGRAMS) as url:
            settings = {"ledger_path": url.replace("+psycopg", "")}
            auditing.load(rows, **settings)
            process = workplace.start(workplace.command("target-split", auditing.audit_config | settings))
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.writelines(f"{json.dumps(message)}\n" for message in export(rows))
            process.stdin.flush()
            assert json.loads(process.stdout.readline()) == {"rows": 3}
        _, stderr = process.communicate()  # the end of the input: now it asks the ledger
        assert process.returncode == 1
        assert "the database cannot be reached, or went away" in stderr
        assert "did not finish" in auditing.report().problems[0]
