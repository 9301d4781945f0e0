"""The backfill DAG under a real Airflow: days in windows side by side are the same set as one run."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import HTTPServer
from pathlib import Path
from typing import Any

import pytest

from demo import data
from support.airflow import INSTALLED, Airflow
from support.meltano import Meltano
from support.sandbox import Sandbox

pytestmark = [
    pytest.mark.skipif(
        not INSTALLED.exists(), reason="Airflow is not installed here; `make .airflow/.installed` does it"
    ),
    pytest.mark.xdist_group("airflow"),
]

WORKERS = 4
DAYS = 8
END = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=1)
START = END - timedelta(days=DAYS)
REFUSED_DAY = START + timedelta(days=3)
STATE_ID = "dev:tap-amplitude-to-target-split"
RANGE = {"tap": "tap-amplitude", "target": "target-split", "start": START.isoformat(), "end": END.isoformat()}


def rows() -> list[dict[str, Any]]:
    """Events of every day, at the very edges of the days above all, and of the hours around the range."""
    chance = random.Random(7)
    moments = [START - timedelta(microseconds=1), END, END + timedelta(hours=1, minutes=30)]
    for day in range(DAYS):
        midnight = START + timedelta(days=day)
        moments += [midnight, midnight + timedelta(days=1, microseconds=-1)]
        moments += [midnight + chance.random() * timedelta(days=1) for _ in range(6)]
    events = [data.product_event(chance, moment, number) for number, moment in enumerate(moments)]
    return [event | {"user_id": event["user_id"] or f"anonymous-{event['event_id']}"} for event in events]


def events_in(sandbox: Sandbox) -> Counter[str]:
    """What Split holds, each event as often as it came."""
    return Counter(json.dumps(event, sort_keys=True) for event in sandbox.split_events())


def in_one_run(folder: Path, sandbox: Sandbox, **until: str) -> Counter[str]:
    """What a single run brings to Split."""
    folder.mkdir()
    sandbox.reset()
    sandbox.put_export_rows(rows())
    run = Meltano(folder, sandbox.url).run(
        "run", "tap-amplitude", "target-split", TAP_AMPLITUDE_START_DATE=START.isoformat(), **until
    )
    assert run.code == 0, run.stderr[-3000:]
    return events_in(sandbox)


@pytest.fixture
def meltano(tmp_path: Path, sandbox: Sandbox) -> Meltano:
    folder = tmp_path / "windows"
    folder.mkdir()
    return Meltano(folder, sandbox.url)


@pytest.fixture
def airflow(tmp_path: Path, meltano: Meltano, alerts: HTTPServer) -> Iterator[Airflow]:
    """Airflow with a few workers; what fails is tried again at once."""
    settings = {
        "AIRFLOW_VAR_SPLIT_AMPLITUDE_ALERT_URL": f"http://127.0.0.1:{alerts.server_port}/hook",
        "SPLIT_AMPLITUDE_REJECTS": str(meltano.folder / "rejects"),
        "SPLIT_AMPLITUDE_PARALLEL_WINDOWS": str(WORKERS),
        "SPLIT_AMPLITUDE_LEDGERS": str(meltano.folder / "ledgers"),
        "AIRFLOW__CORE__DEFAULT_TASK_RETRY_DELAY": "1",
    }
    airflow = Airflow(tmp_path / "airflow", meltano.environment | settings, WORKERS)
    airflow.start()
    yield airflow
    airflow.stop()


def state_at(moment: datetime) -> dict[str, Any]:
    bookmark = {"replication_key": "export_hour", "replication_key_value": moment.isoformat()}
    return {"singer_state": {"bookmarks": {"events": bookmark}}}


def state_of(meltano: Meltano) -> Any:
    return json.loads(meltano.run("state", "get", STATE_ID).stdout)


def most_at_once(windows: list[dict[str, Any]]) -> int:
    """How many windows ran at the same time at most."""
    edges = [(window["start_date"], 1) for window in windows] + [(window["end_date"], -1) for window in windows]
    running = most = 0
    for _, change in sorted(edges):
        running += change
        most = max(most, running)
    return most


def test_windows_are_the_same_set_as_one_run_and_the_schedule_goes_on_from_their_end(
    airflow: Airflow, meltano: Meltano, sandbox: Sandbox, alerts: HTTPServer, tmp_path: Path
) -> None:
    expected = in_one_run(tmp_path / "one", sandbox, TAP_AMPLITUDE_END_DATE=END.isoformat())
    expected_later = in_one_run(tmp_path / "later", sandbox)
    assert len(expected) == DAYS * 8
    assert len(expected_later) == DAYS * 8 + 2
    sandbox.reset()
    sandbox.put_export_rows(rows())
    refused = f"start={REFUSED_DAY:%Y%m%d}T00"
    sandbox.plan(path="/api/2/export", kind="status", status=403, when=refused, times=None)

    # A range that the pipeline's state does not reach would lose an hour: it is refused, and holds nothing up.
    airflow.unpause("backfill")
    meltano.run("state", "set", "--force", STATE_ID, json.dumps(state_at(START - timedelta(hours=1))))
    assert airflow.trigger("backfill", "too-late", **RANGE) == "failed"
    assert f"would be lost. Start the range at {START - timedelta(hours=1):%Y-%m-%dT%XZ}" in airflow.log(
        "backfill", "too-late", "check"
    )
    assert airflow.variables() == {}
    assert sandbox.requests() == []
    assert [(alert["run_id"], alert["task_id"]) for alert in alerts.posted] == [("too-late", "check")]
    meltano.run("state", "clear", "--force", STATE_ID)

    # One day stays refused: it alone is tried again, nothing is handed over, and the schedule holds still.
    assert airflow.trigger("backfill", "days", **RANGE) == "failed"
    tasks = airflow.tasks("backfill", "days")
    windows = [task for task in tasks if task["task_id"] == "window"]
    assert len(windows) == DAYS
    assert Counter(window["state"] for window in windows) == {"success": DAYS - 1, "failed": 1}
    (failed,) = (window for window in windows if window["state"] == "failed")
    assert (
        failed["rendered_map_index"] == f"backfill-{REFUSED_DAY:%Y%m%dT%H}-{REFUSED_DAY + timedelta(days=1):%Y%m%dT%H}"
    )
    assert failed["try_number"] == 5
    (_, alert) = alerts.posted
    assert (alert["dag_id"], alert["run_id"], alert["task_id"]) == ("backfill", "days", "window")
    assert (alert["map_index"], alert["try_number"]) == (failed["map_index"], 5)
    assert alert["text"].startswith("backfill: task window failed. Run days, log: http")
    assert alert["log_url"] in alert["text"]
    assert 1 < most_at_once(windows) <= WORKERS
    assert state_of(meltano) == {}
    assert airflow.variables() == {
        "backfill-of-tap-amplitude-to-target-split": f"{START:%Y-%m-%dT%XZ}/{END:%Y-%m-%dT%XZ} days"
    }

    before = len(sandbox.requests())
    airflow.unpause("events-hourly")
    assert airflow.trigger("events-hourly", "held") == "success"
    assert {task["task_id"]: task["state"] for task in airflow.tasks("events-hourly", "held")} == {
        "no_backfill": "success",
        "run": "skipped",
    }
    assert len(sandbox.requests()) == before

    # The same day alone is run again; what it brings completes the set, and the state stands at the end.
    sandbox.call("DELETE", "/faults")
    assert airflow.clear_failed("backfill", "days") == "success"
    again = [task for task in airflow.tasks("backfill", "days") if task["task_id"] == "window"]
    assert {window["map_index"] for window in again} - {
        window["map_index"] for window in again if window in windows
    } == {failed["map_index"]}
    assert events_in(sandbox) == expected
    assert state_of(meltano) == state_at(END)
    assert airflow.variables() == {}

    assert airflow.trigger("events-hourly", "next") == "success"
    assert events_in(sandbox) == expected_later
