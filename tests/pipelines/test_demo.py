"""`make demo`, as it is run by people."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DEMO = [sys.executable, "-m", "demo"]


def descendants(process: int) -> set[int]:
    """Processes started by a process, and theirs."""
    found: set[int] = set()
    for task in Path(f"/proc/{process}/task").glob("*/children"):
        for child in map(int, task.read_text().split()):
            found |= {child} | descendants(child)
    return found


@pytest.mark.xdist_group("demo")
def test_the_demo_ends_with_both_sides_equal() -> None:
    demo = subprocess.run(DEMO, cwd=ROOT, capture_output=True, text=True, timeout=400, check=False)
    assert demo.returncode == 0, demo.stdout + demo.stderr
    assert demo.stdout.count("- equal") == 5
    assert "DIFFERS" not in demo.stdout


@pytest.mark.xdist_group("demo")
@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="children are counted through Linux's /proc")
@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_demo_leaves_no_process(sent: signal.Signals) -> None:
    demo = subprocess.Popen(DEMO, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        # Wait until the first pipeline runs: the sandbox and Meltano's processes are up then.
        assert any("meltano run" in line for line in demo.stdout)
        started = descendants(demo.pid)
        demo.send_signal(sent)
        demo.wait(60)
    finally:
        demo.kill()
    assert started
    assert demo.returncode in (130, 143)
    assert [process for process in started if Path(f"/proc/{process}").exists()] == []
