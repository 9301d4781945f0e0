"""The tutorial's commands, run in order in one shell."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from support.processes import BIN

pytestmark = pytest.mark.kind("process")

DOCS = Path(__file__).parents[2] / "docs"


def commands(page: Path) -> str:
    """The shell commands of a page: its blocks marked `sh`."""
    return "\n".join(re.findall(r"^```sh\n(.*?)^```", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL))


def test_every_command_of_the_tutorial_works(tmp_path: Path) -> None:
    # Job control, so that %1 and %2 name the servers; they end with the shell even when a command fails.
    script = "set -e -o pipefail -m\ntrap 'kill $(jobs -p) 2> /dev/null || true' EXIT\n" + commands(
        DOCS / "tutorial.md"
    )
    path = f"{BIN}{os.pathsep}{os.environ['PATH']}"
    shell = subprocess.run(
        ["bash", "-c", script],
        cwd=tmp_path,
        env=os.environ | {"PATH": path},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert shell.returncode == 0, shell.stdout[-1500:] + shell.stderr[-3000:]
    assert "Traceback" not in shell.stderr
