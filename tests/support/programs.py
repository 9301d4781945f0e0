"""Programs of others that check configurations: on the path, or unpacked by `make .tools/.installed`."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

UNPACKED = Path(__file__).parents[2] / ".tools" / "usr"
SEARCHED = os.pathsep.join([os.environ["PATH"], "/usr/sbin", str(UNPACKED / "bin"), str(UNPACKED / "sbin")])


def program(name: str) -> str:
    """The path of a program; the test is skipped where the machine has none."""
    found = shutil.which(name, path=SEARCHED)
    if found is None:
        pytest.skip(f"there is no {name} here; on Debian and Ubuntu `make .tools/.installed` gets it")
    return found
