"""The audit's DAG under a real Airflow: its report fails and alerts when something is missing."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import HTTPServer
from pathlib import Path

import pytest

from demo import data
from support.airflow import INSTALLED, Airflow
from support.meltano import ROOT, Meltano
from support.sandbox import Sandbox

pytestmark = [
    pytest.mark.skipif(
        not INSTALLED.exists(), reason="Airflow is not installed here; `make .airflow/.installed` does it"
    ),
    pytest.mark.xdist_group("airflow"),
]

NOW = datetime.now(UTC)
SETTINGS = {
    "TAP_AMPLITUDE_START_DATE": (NOW - timedelta(hours=14)).isoformat(),
    # What the sandbox takes for six hours ago, the tap has read by then.
    "TAP_AMPLITUDE_LOOKBACK_HOURS": "12",
    "TAP_SPLIT_IMPRESSIONS_SETTLE_SECONDS": "0",
}


@pytest.fixture
def exporting() -> Iterator[Sandbox]:
    """A sandbox whose uploads can be exported at once."""
    sandbox = Sandbox("--upload-time-offset=-21600")
    yield sandbox
    sandbox.stop()


@pytest.fixture
def meltano(tmp_path: Path, exporting: Sandbox) -> Meltano:
    """The project in a folder of its own, where an audit leaves its file."""
    folder = tmp_path / "project"
    folder.mkdir()
    meltano = Meltano(folder, exporting.url)
    shutil.copy(ROOT / "meltano.yml", folder)
    (folder / ".venv").symlink_to(ROOT / ".venv")
    meltano.project = folder
    return meltano


@pytest.fixture
def airflow(tmp_path: Path, meltano: Meltano, alerts: HTTPServer) -> Iterator[Airflow]:
    settings = {
        "AIRFLOW_VAR_SPLIT_AMPLITUDE_ALERT_URL": f"http://127.0.0.1:{alerts.server_port}/hook",
        "MELTANO_PROJECT_ROOT": str(meltano.project),
    }
    airflow = Airflow(tmp_path / "airflow", meltano.environment | settings | SETTINGS, workers=1)
    airflow.start()
    yield airflow
    airflow.stop()


def receive(meltano: Meltano, first: int, last: int) -> None:
    """Store impressions as the receiver did twelve hours ago."""
    moment = NOW - timedelta(hours=12)
    rows = [row for row in data.impressions(moment) if row["key"] not in data.REFUSED_KEYS][first:last]
    stored = json.dumps({"received": int(moment.timestamp() * 1000), "batch": rows}, separators=(",", ":"))
    (meltano.impressions / f"impressions-{first}.jsonl").write_text(f"{stored}\n", encoding="utf-8")


def test_a_report_that_misses_something_fails_and_alerts(
    airflow: Airflow, meltano: Meltano, alerts: HTTPServer
) -> None:
    receive(meltano, 0, 30)
    meltano.succeeds("run", "impressions-as-events", **SETTINGS)
    receive(meltano, 30, 40)
    airflow.unpause("audit-daily")
    assert airflow.trigger("audit-daily", "with-a-loss") == "failed"
    states = {name: state for name, _, state in airflow.states("audit-daily", "with-a-loss")}
    assert (states["run"], states["report"]) == ("success", "failed")
    assert re.search(r"\b10 (of 10 )?missing records", airflow.log("audit-daily", "with-a-loss", "report"))
    # Airflow makes up for the last interval of the schedule as well.
    posted = {alert["run_id"]: (alert["dag_id"], alert["task_id"]) for alert in alerts.posted}
    assert posted["with-a-loss"] == ("audit-daily", "report")
    assert (meltano.project / "audit.html").exists()

    meltano.succeeds("run", "impressions-as-events", **SETTINGS)
    assert airflow.trigger("audit-daily", "repaired") == "success"
    assert "repaired" not in {alert["run_id"] for alert in alerts.posted}
