"""The image's steps, run without a container engine, make a folder in which a pod's commands work."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest

from demo import data
from support.airflow import BIN, INSTALLED
from support.sandbox import Sandbox

ROOT = Path(__file__).parents[2]
DAY = datetime(2026, 10, 1, tzinfo=UTC)


def steps(text: str) -> list[tuple[str, str]]:
    """The instructions of a Containerfile and what they are given; there are no continued lines in ours."""
    lines = (line.partition(" ") for line in text.splitlines() if line and not line.startswith("#"))
    return [(instruction, given) for instruction, _, given in lines]


def left_out(folder: str, names: list[str]) -> set[str]:
    """What .containerignore keeps from the engine in a copied folder: build products, links of editable installs."""
    lines = (ROOT / ".containerignore").read_text().splitlines()
    anywhere = [line.removeprefix("**/") for line in lines if line.startswith("**/")]
    inside = Path(folder).relative_to(ROOT)
    return {
        name
        for name in names
        if any(fnmatch(name, one) for one in anywhere) or any(fnmatch(str(inside / name), one) for one in lines[2:])
    }


class Image:
    """What an engine would build, as a folder: it stands for WORKDIR, and a virtual environment for the base image."""

    def __init__(self, folder: Path) -> None:
        self.project = folder / "project"
        self.project.mkdir()
        base = folder / "base"
        subprocess.run([sys.executable, "-m", "venv", str(base)], check=True)
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(("MELTANO", "VIRTUAL"))}
        self.environment = inherited | {"PATH": f"{base / 'bin'}:{os.environ['PATH']}"}
        for instruction, given in steps((ROOT / "Containerfile").read_text()):
            if instruction == "COPY":
                self._copy(*given.split())
            elif instruction == "RUN":
                done = self.run(given.replace("/project", str(self.project)))
                assert done.returncode == 0, done.stdout + done.stderr
            elif instruction == "ARG":
                self.environment |= dict([given.split("=")])
            elif instruction == "ENV":
                values = given.replace("/project", str(self.project)).replace("$PATH", self.environment["PATH"])
                self.environment |= dict(pair.split("=") for pair in values.split())

    def _copy(self, source: str, target: str) -> None:
        if (ROOT / source).is_dir():
            shutil.copytree(ROOT / source, self.project / target, ignore=left_out)
        else:
            shutil.copy(ROOT / source, self.project / target)

    def run(self, command: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["bash", "-o", "pipefail", "-c", command],
            cwd=self.project,
            env=self.environment | environment,
            capture_output=True,
            text=True,
            timeout=400,
            check=False,
        )

    def run_pod(self, pod: dict[str, Any], **secrets: str) -> subprocess.CompletedProcess[str]:
        """Run the command of a pod's container, with what its Secret would hold."""
        (container,) = pod["spec"]["containers"]
        assert container["command"] == ["bash", "-c"]
        (command,) = container["args"]
        return self.run(command, **secrets, **{entry["name"]: entry["value"] for entry in container["env"]})


def pods(folder: Path, tasks: list[str], params: dict[str, Any]) -> list[dict[str, Any]]:
    """The pods that tasks of the backfill would run in, as Kubernetes would be asked for them."""
    environment = {
        "AIRFLOW_HOME": str(folder / "airflow"),
        "PYTHONPATH": str(ROOT / "orchestrate" / "dags"),
        "MELTANO_ENVIRONMENT": "prod",
        "SPLIT_AMPLITUDE_POD_TEMPLATE": str(ROOT / "orchestrate" / "pod.yaml"),
        "SPLIT_AMPLITUDE_LEDGERS": str(folder / "ledgers"),
        "SPLIT_AMPLITUDE_REJECTS": str(folder / "rejects"),
    }
    command = [str(BIN / "python"), str(Path(__file__).with_name("print_pods.py")), json.dumps([tasks, params])]
    environment = os.environ | environment
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.xdist_group("airflow")
@pytest.mark.skipif(not INSTALLED.exists(), reason="Airflow is not installed: `make .airflow/.installed` does it")
def test_pods_fill_a_window_and_hand_over(tmp_path: Path, sandbox: Sandbox) -> None:
    sandbox.put_export_rows([data.product_events(DAY, 24)[0] | {"user_id": "user-1"}])
    image = Image(tmp_path)
    secrets = {
        "TAP_AMPLITUDE_API_KEY": "test-api-key",
        "TAP_AMPLITUDE_SECRET_KEY": "test-secret-key",
        "TAP_AMPLITUDE_API_URL": sandbox.url,
        "TARGET_SPLIT_SDK_API_KEY": "test-sdk-key",
        "TARGET_SPLIT_EVENTS_URL": sandbox.url,
        "TARGET_SPLIT_ENVIRONMENT": "Production",
    }
    params = {
        "tap": "tap-amplitude",
        "target": "target-split",
        "start": f"{DAY:%Y-%m-%d}",
        "end": f"{DAY + timedelta(days=1):%Y-%m-%d}",
        "window_hours": 24,
    }
    sdks = list((image.project / ".meltano").glob("*/*/venv/lib/*/site-packages/singer_sdk/tap_base.py"))
    assert len(sdks) == 4
    assert all(sdk.samefile(sdks[0]) for sdk in sdks)  # the connectors' environments share their files
    assert not (image.project / ".cache").exists()
    for receiver in ("tap-split-impressions-webhook", "tap-amplitude-webhook"):
        # It prints one line when it listens; without it, `read` ends with the receiver.
        listening = image.run(
            f"exec 3< <({receiver} --path received --port 0) && read -r -u 3 line && kill $! && echo $line"
        )
        assert "Listening on http://" in listening.stdout, listening.stderr
    for pod in pods(tmp_path, ["check", "window", "hand_over"], params):
        done = image.run_pod(pod, **secrets)
        assert done.returncode == 0, done.stdout + done.stderr[-3000:]
    assert [event["key"] for event in sandbox.split_events()] == ["user-1"]
    state = json.loads(image.run("meltano state get prod:tap-amplitude-to-target-split").stdout)
    assert state["singer_state"]["bookmarks"]["events"]["replication_key_value"] == "2026-10-02T00:00:00+00:00"
    assert [path.suffix for path in (tmp_path / "ledgers").iterdir()] == [".sqlite"]
