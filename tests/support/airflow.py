"""Airflow for real: scheduler, DAG processor and API server over SQLite, on the loopback, in a folder of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import requests

from support.sockets import free_port

ROOT = Path(__file__).parents[2]
BIN = ROOT / ".airflow" / "bin"
INSTALLED = ROOT / ".airflow" / ".installed"
START_SECONDS = 300
STOP_SECONDS = 15
RUN_SECONDS = 600  # a backfill starts Meltano for each window, whatever else the machine does


class Airflow:
    """A running Airflow that knows the DAGs of this repository."""

    def __init__(self, folder: Path, environment: Mapping[str, str], workers: int) -> None:
        self.folder = folder
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        folder.mkdir()
        self.environment = os.environ | {
            "AIRFLOW_HOME": str(folder),
            "AIRFLOW__CORE__DAGS_FOLDER": str(ROOT / "orchestrate" / "dags"),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
            "AIRFLOW__CORE__PARALLELISM": str(workers),
            "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{self.url}/execution/",
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True",
            "AIRFLOW__API__BASE_URL": self.url,
            "AIRFLOW__API_AUTH__JWT_SECRET": "test-secret-of-this-airflow-alone-that-is-long-enough-for-its-signature",
            "AIRFLOW__DAG_PROCESSOR__REFRESH_INTERVAL": "3600",
            "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
            **environment,
        }
        self.http = requests.Session()
        self.processes: list[subprocess.Popen[bytes]] = []

    def start(self) -> None:
        try:
            self.run("db", "migrate")
            for component in (
                ["api-server", "--host=127.0.0.1", f"--port={self.port}", "--workers=1"],
                ["scheduler", "--skip-serve-logs"],
                ["dag-processor"],
            ):
                self._component(component)
            self._await("/api/v2/monitor/health")
            self.http.headers["Authorization"] = f"Bearer {self._call('GET', '/auth/token')['access_token']}"
            self._await("/api/v2/dags/backfill")
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        for process in self.processes:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
        for process in self.processes:
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        self.http.close()

    def run(self, *arguments: str) -> str:
        """Run an `airflow` command to its end and return what it printed."""
        command = [str(BIN / "airflow"), *arguments]
        done = subprocess.run(
            command, env=self.environment, capture_output=True, text=True, timeout=START_SECONDS, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def unpause(self, dag: str) -> None:
        self._call("PATCH", f"/api/v2/dags/{dag}", {"is_paused": False})

    def trigger(self, dag: str, run: str, **params: Any) -> str:
        """Start a run of a DAG and wait for its end; return how it ended."""
        self._call("POST", f"/api/v2/dags/{dag}/dagRuns", {"dag_run_id": run, "conf": params, "logical_date": None})
        return self.await_end(dag, run)

    def await_end(self, dag: str, run: str) -> str:
        """Wait for the end of a run. Airflow writes a line with the run's state at each look, until that is the end."""
        url = f"{self.url}/api/v2/dags/{dag}/dagRuns/{run}/wait?interval=0.5"
        deadline = time.monotonic() + RUN_SECONDS
        with self.http.get(url, stream=True, timeout=60) as answer:
            answer.raise_for_status()
            for line in answer.iter_lines():
                assert time.monotonic() < deadline, f"{run} of {dag} is still under way: {self.states(dag, run)}"
                last = line
        return json.loads(last)["state"]

    def tasks(self, dag: str, run: str) -> list[dict[str, Any]]:
        """Return the task instances of a run."""
        return self._call("GET", f"/api/v2/dags/{dag}/dagRuns/{run}/taskInstances?limit=200")["task_instances"]

    def states(self, dag: str, run: str) -> list[tuple[str, int, str]]:
        """Return the state of each task instance of a run."""
        return [(task["task_id"], task["map_index"], task["state"]) for task in self.tasks(dag, run)]

    def clear_failed(self, dag: str, run: str) -> str:
        """Run the failed tasks of a run again, and what hangs on them; wait for the end."""
        body = {"dry_run": False, "only_failed": True, "dag_run_id": run, "include_downstream": True}
        self._call("POST", f"/api/v2/dags/{dag}/clearTaskInstances", body)
        return self.await_end(dag, run)

    def variables(self) -> dict[str, str]:
        return {entry["key"]: entry["value"] for entry in self._call("GET", "/api/v2/variables")["variables"]}

    def log(self, dag: str, run: str, task: str) -> str:
        """Return what a task wrote into its log."""
        folder = self.folder / "logs" / f"dag_id={dag}" / f"run_id={run}" / f"task_id={task}"
        return "".join(path.read_text() for path in sorted(folder.rglob("*.log")))

    def _call(self, method: str, path: str, body: Any = None) -> dict[str, Any]:
        answer = self.http.request(method, self.url + path, json=body, timeout=30)
        assert answer.ok, answer.text
        return answer.json()

    def _component(self, component: list[str]) -> None:
        with (self.folder / f"{component[0]}.log").open("wb") as log:
            self.processes.append(
                subprocess.Popen(
                    [str(BIN / "airflow"), *component],
                    env=self.environment,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
            )

    def _await(self, path: str) -> None:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and all(process.poll() is None for process in self.processes):
            with suppress(requests.ConnectionError):
                if self.http.get(self.url + path, timeout=10).ok:
                    return
            time.sleep(0.2)  # nothing tells when a server listens; asking again is the only way
        logs = "".join(f"{path.name}:\n{path.read_text()[-2000:]}\n" for path in self.folder.glob("*.log"))
        raise RuntimeError(f"Airflow did not start.\n{logs}")
