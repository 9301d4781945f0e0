"""`make demo`, as it is run by people."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DEMO = [sys.executable, "-m", "demo"]


def in_folder(folder: Path) -> dict[str, str]:
    """The environment of a demo that keeps all it makes in a folder, Meltano's runs included."""
    system = folder / ".meltano"
    system.mkdir()
    for kind in ("extractors", "loaders"):
        (system / kind).symlink_to(ROOT / ".meltano" / kind)
    return os.environ | {"DEMO_FOLDER": str(folder / "demo"), "MELTANO_SYS_DIR_ROOT": str(system)}


def running(process: int) -> str:
    """What a process is doing; empty when it has ended, also when nobody has taken note of its end yet."""
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
        return "" if state == "Z" else Path(f"/proc/{process}/cmdline").read_text()
    except OSError:
        return ""


def descendants(process: int) -> set[int]:
    """Processes started by a process, and theirs."""
    found: set[int] = set()
    for task in Path(f"/proc/{process}/task").glob("*/children"):
        for child in map(int, task.read_text().split()):
            found |= {child} | descendants(child)
    return found


def test_the_demo_ends_with_both_sides_equal(tmp_path: Path) -> None:
    environment = in_folder(tmp_path)
    demo = subprocess.run(DEMO, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=400, check=False)
    assert demo.returncode == 0, demo.stdout + demo.stderr
    assert demo.stdout.count("- equal") == 5
    assert "DIFFERS" not in demo.stdout


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="children are counted through Linux's /proc")
@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_demo_leaves_no_process(sent: signal.Signals, tmp_path: Path) -> None:
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    with subprocess.Popen(DEMO, cwd=ROOT, env=in_folder(tmp_path), **pipes) as demo:
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
    assert [what for process in started if (what := running(process))] == []
