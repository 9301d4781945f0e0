"""The clock of the machine on which a run's connectors believe to be: it jumps between two starts, or during one.

A library that is preloaded (`clock.c`) answers for the system's clock, so that all of a process sees the jump: Python,
SQLite, Meltano. The monotonic clock and the times of files stay right, and so do the services' clocks.
"""

from __future__ import annotations

import os
import struct
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from faults.connectors import Process, fork

SOURCE = Path(__file__).with_name("clock.c")
LIBRARY = "campaign-clock.so"
VARIABLE = "CAMPAIGN_CLOCK"
OFFSET = struct.Struct("=q")
HOUR, DAY = 3_600, 86_400
JUMPS = {
    "30 days ahead": 30 * DAY,
    "30 days behind": -30 * DAY,
    "2 hours ahead": 2 * HOUR,
    "2 hours behind": -2 * HOUR,
}
WEIGHTS = (3, 3, 1, 1)


@contextmanager
def preloaded() -> Iterator[None]:
    """Let the processes that this one starts be able to follow a `Clock`; without a C compiler they cannot."""
    with tempfile.TemporaryDirectory(prefix="faults-clock-") as folder:
        library = Path(folder) / LIBRARY
        try:
            subprocess.run(["cc", "-shared", "-fPIC", "-O2", "-o", str(library), str(SOURCE)], check=True)
        except FileNotFoundError:
            yield
            return
        os.environ["LD_PRELOAD"] = str(library)
        try:
            yield
        finally:
            del os.environ["LD_PRELOAD"]


def can_jump() -> bool:
    """Whether this process, and those that it starts, can follow a `Clock`."""
    return LIBRARY in os.environ.get("LD_PRELOAD", "")


class Clock:
    """A clock that processes follow when they have its `variables`.

    Args:
        file: Holds by how many seconds it is wrong.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._jump: Process | None = None
        file.write_bytes(OFFSET.pack(0))

    @property
    def variables(self) -> Mapping[str, str]:
        """Environment variables of whoever follows it."""
        return {VARIABLE: str(self._file)}

    def set(self, seconds: int) -> None:
        """Set it wrong by so many seconds, for all who follow it."""
        with self._file.open("r+b") as file:  # in place: processes have the file in memory
            file.write(OFFSET.pack(seconds))

    def set_later(self, seconds: int, after: float) -> None:
        """Set it after a while, from another process; `wait` for it."""
        self._jump = fork(lambda: self._set_after(seconds, after))

    def wait(self) -> None:
        """Wait until it is set."""
        if self._jump:
            self._jump.wait()
            self._jump = None

    def _set_after(self, seconds: int, after: float) -> int:
        time.sleep(after)  # the moment of a jump is what is random
        self.set(seconds)
        return 0
