"""What Airflow makes of the DAG files: in processes of the worker, or in pods."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from split_amplitude.project import Project

from support.airflow import BIN, INSTALLED

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.skipif(
    not INSTALLED.exists(), reason="Airflow is not installed: `make .airflow/.installed` does it"
)


def found(folder: Path, **settings: str) -> dict[str, Any]:
    """What Airflow finds in our folder of DAGs."""
    dags = str(ROOT / "orchestrate" / "dags")
    airflow = {
        "AIRFLOW_HOME": str(folder),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__DAGBAG_IMPORT_TIMEOUT": "300",  # whatever else the machine does
        "PYTHONPATH": dags,
    }
    done = subprocess.run(
        [str(BIN / "python"), str(Path(__file__).with_name("print_dags.py")), dags],
        env=os.environ | airflow | settings,
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("template", ["", str(ROOT / "orchestrate" / "pod.yaml")], ids=["processes", "pods"])
def test_there_is_a_dag_for_each_schedule_and_one_to_fill_the_past(tmp_path: Path, template: str) -> None:
    said = found(tmp_path, SPLIT_AMPLITUDE_POD_TEMPLATE=template)
    assert said["errors"] == {}
    schedules = {schedule.name: schedule.interval for schedule in Project(ROOT).schedules}
    audits = {"audit-daily", "audit-split-daily"}
    assert audits <= schedules.keys()
    if template:  # their files would not outlive the pods
        schedules = {name: interval for name, interval in schedules.items() if name not in audits}
    assert {name: dag["schedule"] for name, dag in said["dags"].items() if name != "backfill"} == schedules
    tasks = {name: {task: of["after"] for task, of in dag["tasks"].items()} for name, dag in said["dags"].items()}
    assert tasks["events-hourly"] == {"no_backfill": [], "run": ["no_backfill"]}
    assert tasks["cohorts-daily"] == {"run": []}
    if not template:
        for name in audits:
            assert tasks[name] == {"no_backfill": [], "run": ["no_backfill"], "report": ["run"]}
            assert said["dags"][name]["tasks"]["report"]["retries"] == 0
    assert all(task["alerts"] for dag in said["dags"].values() for task in dag["tasks"].values())
    assert tasks["backfill"] == {
        "plan": [],
        "windows": ["plan"],
        "check": ["plan"],
        "window": ["check", "windows"],
        "hand_over": ["plan", "window"],
        "release": ["hand_over"],
        "give_up": ["check", "plan"],
    }


def test_runs_share_a_pool_and_windows_are_limited(tmp_path: Path) -> None:
    dags = found(tmp_path, SPLIT_AMPLITUDE_POOL="amplitude", SPLIT_AMPLITUDE_PARALLEL_WINDOWS="7")["dags"]
    runs = [dags[name]["tasks"]["run"] for name in dags if name != "backfill"]
    window = dags["backfill"]["tasks"]["window"]
    assert {task["pool"] for task in [*runs, window]} == {"amplitude"}
    assert window["at_once"] == 7
