"""The lowest versions that the packages declare are enough: each reads or loads something with just these."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from support.amplitude import event, events_messages
from support.exports import rows_over
from support.impressions import impression, messages
from support.receiver import posted
from support.sandbox import Sandbox

pytestmark = [pytest.mark.kind("process"), pytest.mark.xdist_group("installs")]

ROOT = Path(__file__).parents[1]
UV = Path(sys.executable).parent / "uv"
CONNECTORS = ("tap-split-impressions", "tap-amplitude", "target-amplitude", "target-split")


@pytest.fixture(scope="module", params=CONNECTORS)
def lowest(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    """A connector in an environment of its own, with the lowest versions of all that it declares."""
    environment = tmp_path_factory.mktemp("lowest")
    python = environment / "bin" / "python"
    subprocess.run([UV, "venv", "--quiet", "--clear", "--python", sys.executable, environment], check=True)
    command = [UV, "pip", "install", "--quiet", "--python", python, "--resolution", "lowest-direct"]
    subprocess.run([*command, ROOT / request.param], check=True)
    return request.param, environment / "bin" / request.param


def test_the_lowest_versions_are_enough(lowest: tuple[str, Path], sandbox: Sandbox, tmp_path: Path):
    name, executable = lowest
    lines: list[dict[str, object]] = []
    config: dict[str, object] = {"api_url": sandbox.url}
    if name == "tap-split-impressions":
        (tmp_path / "in").mkdir()
        (tmp_path / "in" / "a.jsonl").write_text(json.dumps(posted(1)) + "\n", encoding="utf-8")
        config |= {"path": str(tmp_path / "in"), "settle_seconds": 0}
    elif name == "tap-amplitude":
        sandbox.put_export_rows(rows_over(hours=1, per_hour=3))
        config |= {"api_key": "test-api-key", "secret_key": "test-secret-key", "end_date": "2026-03-15"}
        config |= {"start_date": "2026-03-14"}
    elif name == "target-amplitude":
        config |= {"api_key": "test-api-key"}
        lines = list(messages([impression(1)]))
    else:
        config = {"sdk_api_key": "test-sdk-key", "events_url": sandbox.url}
        lines = list(events_messages([event(1)]))
    (tmp_path / "config.json").write_text(json.dumps(config), encoding="utf-8")
    done = subprocess.run(
        [executable, "--config", tmp_path / "config.json"],
        input="".join(json.dumps(line) + "\n" for line in lines),
        capture_output=True,
        text=True,
        cwd=tmp_path,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    if lines:
        assert "1 sent" in done.stderr
    else:
        assert '"type":"RECORD"' in done.stdout
