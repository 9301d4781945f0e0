"""The lowest versions that the packages declare are enough: each reads or loads something with just these."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from support.connectors import TAPS, TARGETS, config_of, stream_of
from support.exports import rows_over
from support.sandbox import Sandbox

pytestmark = [
    pytest.mark.kind("process"),
    pytest.mark.xdist_group("installs"),
    pytest.mark.skipif(sys.version_info >= (3, 14), reason="some of the lowest versions have no wheel for Python 3.14"),
]

ROOT = Path(__file__).parents[1]
UV = Path(sys.executable).parent / "uv"
EXTRAS = {
    "tap-split-impressions": "[parquet,s3,webhook]",
    "tap-amplitude": "[s3,webhook]",
    "target-split": "[postgres]",
}


@pytest.fixture(scope="module", params=[*TAPS, *TARGETS])
def lowest(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    """A connector in an environment of its own, with the lowest versions of all that it declares."""
    environment = tmp_path_factory.mktemp("lowest")
    python = environment / "bin" / "python"
    subprocess.run([UV, "venv", "--quiet", "--clear", "--python", sys.executable, environment], check=True)
    command = [UV, "pip", "install", "--quiet", "--python", python, "--resolution", "lowest-direct"]
    subprocess.run([*command, f"{ROOT / request.param}{EXTRAS.get(request.param, '')}"], check=True)
    return request.param, environment / "bin" / request.param


def test_the_lowest_versions_are_enough(lowest: tuple[str, Path], sandbox: Sandbox, tmp_path: Path):
    name, executable = lowest
    sandbox.put_export_rows(rows_over(hours=1, per_hour=3))
    lines = stream_of(name) if name in TARGETS else []
    (tmp_path / "config.json").write_text(json.dumps(config_of(name, sandbox.url, tmp_path)), encoding="utf-8")
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
    if name in TAPS:
        assert '"type":"RECORD"' in done.stdout
        receiver = [f"{executable}-webhook", "--path", tmp_path / "received", "--port", "0"]
        with subprocess.Popen(receiver, stdout=subprocess.PIPE, text=True) as process:
            assert "Listening on http://" in process.stdout.readline()
            process.terminate()
    else:
        assert len(sandbox.amplitude_events() + sandbox.split_events()) == 2
