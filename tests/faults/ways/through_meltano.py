"""A pipeline run by Meltano."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psutil

from faults.connectors import Process
from faults.mishaps import Mishap
from faults.pipelines import Pipeline
from support.meltano import ROOT
from support.processes import BIN

APPEAR_SECONDS = 20
ORPHANS_SECONDS = 60


class Meltano:
    """`meltano run tap target` in this repository's project, with a system folder and states of its own."""

    kill_within_seconds = 2.0

    def __init__(self, pipeline: Pipeline, folder: Path) -> None:
        self.pipeline = pipeline
        self.folder = folder
        self.states = folder / "states"
        self._broken = False
        # Meltano keeps a run's catalog and state in files by the plugin's name: two runs would read each other's.
        system = folder / ".meltano"
        system.mkdir()
        for kind in ("extractors", "loaders"):
            (system / kind).symlink_to(ROOT / ".meltano" / kind)
        self._environment = os.environ | {
            "MELTANO_ENVIRONMENT": "prod",
            "MELTANO_AUTO_INSTALL": "false",
            "MELTANO_SYS_DIR_ROOT": str(system),
            "MELTANO_STATE_BACKEND_URI": self.states.as_uri(),
        }

    def meet(self, mishap: Mishap) -> bool:  # Meltano itself would meet it
        return False

    def break_state(self, chance: random.Random) -> str:  # a pipe has a choice
        self._broken = True
        return "state: Meltano's backend cannot be written"

    def forget_state(self) -> None:
        shutil.rmtree(self.states, ignore_errors=True)

    def _variables(self) -> dict[str, str]:
        """Return all variables of the environment; settings may change from attempt to attempt."""
        variables = {**self._environment, **self.pipeline.variables}
        for plugin, settings in (self.pipeline.tap[:2], self.pipeline.target):
            variables |= environment_of(plugin, settings)
        return variables | self.pipeline.meltano_settings

    def start(self, number: int) -> MeltanoAttempt:
        log = self.folder / f"{number}.meltano"
        with log.open("wb") as output:
            # A killed Meltano leaves a mark that it runs; --force is what its message then asks for.
            process = subprocess.Popen(
                [str(BIN / "meltano"), "run", "--force", *self.pipeline.meltano],
                cwd=ROOT,
                env=self._variables(),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        attempt = MeltanoAttempt(self, process, log, broken=self._broken)
        if self._broken:
            self._broken = False
            attempt.find("target")
            self.swap_states()
        return attempt

    def swap_states(self) -> None:
        """Put a file where the folder of the states is: it can be neither read nor written."""
        self.states.mkdir(exist_ok=True)
        self.states.rename(self.folder / "states-away")
        self.states.touch()

    def bring_back_states(self) -> None:
        """Undo that."""
        self.states.unlink()
        (self.folder / "states-away").rename(self.states)


class MeltanoAttempt:
    """A Meltano that runs, and its children."""

    victims = ("Meltano", "tap", "target")

    def __init__(self, way: Meltano, process: subprocess.Popen[bytes], log: Path, *, broken: bool) -> None:
        self._way = way
        self._process = process
        self._log = log
        self._broken = broken

    def find(self, victim: str) -> Process | None:
        plugin = self._way.pipeline.tap[0] if victim == "tap" else self._way.pipeline.target[0]
        deadline = time.monotonic() + APPEAR_SECONDS
        while self._process.poll() is None and time.monotonic() < deadline:
            found = [child for child in self._children() if is_command(child, plugin)]
            if found:
                return Process(self._process.pid if victim == "Meltano" else found[0].pid)
            time.sleep(0.02)  # nothing tells when another program has started a process
        return None

    def _children(self) -> list[psutil.Process]:
        """Everything in Meltano's session, also what outlives it."""
        return [process for process in psutil.process_iter() if session_of(process.pid) == self._process.pid]

    def wait(self) -> bool:
        code = self._process.wait()
        _, left = psutil.wait_procs(self._children(), ORPHANS_SECONDS)
        for process in left:
            process.kill()
        if self._broken:
            self._way.bring_back_states()
        return code == 0 and not self._broken

    @property
    def said(self) -> str:
        return self._log.read_text(encoding="utf-8", errors="replace")

    @property
    def said_by_us(self) -> str:
        """The connectors' lines; Meltano prints tracebacks of its own when a loader dies under it."""
        return "\n".join(line for line in self.said.splitlines() if "] tap-" in line or "] target-" in line)


def is_command(process: psutil.Process, plugin: str) -> bool:
    """Whether a process is a plugin's command."""
    try:
        return any(Path(part).name == plugin for part in process.cmdline()[:2])
    except psutil.Error:
        return False


def session_of(pid: int) -> int:
    """Return the session of a process; 0 when it has ended."""
    try:
        return os.getsid(pid)
    except ProcessLookupError:
        return 0


def environment_of(plugin: str, settings: Mapping[str, Any]) -> dict[str, str]:
    """Return settings as environment variables, as Meltano takes them."""
    prefix = plugin.replace("-", "_").upper()
    return {
        f"{prefix}_{name.upper()}": value if isinstance(value, str) else json.dumps(value)
        for name, value in settings.items()
    }
