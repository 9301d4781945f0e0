"""A short, fixed part of the campaign; `make faults` runs as much of it as you like."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from faults.pipelines import PIPELINES

TESTS = Path(__file__).parents[1]
RUNS = 4


@pytest.mark.parametrize("pipeline", PIPELINES)
def test_nothing_lost_and_nothing_twice(pipeline: str) -> None:
    command = [sys.executable, "-m", "faults", "--pipeline", pipeline, "--seed", "1", "--runs", str(RUNS)]
    environment = {"PYTHONPATH": f"{TESTS}:{TESTS.parent}", "PATH": "/usr/bin:/bin"}
    result = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert result.returncode == 0, result.stdout + result.stderr[-2000:]
