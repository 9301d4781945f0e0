"""The ways a pipeline is run: as `tap | target`, and by Meltano. Both resume from where they got to."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import time
from collections.abc import Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any, Protocol

import psutil

from faults.connectors import Process, start
from faults.mishaps import Mishap
from faults.pipelines import Pipeline
from support.meltano import ROOT
from support.processes import BIN

APPEAR_SECONDS = 20
ORPHANS_SECONDS = 60


class Attempt(Protocol):
    """A pipeline that runs."""

    victims: tuple[str, ...]

    def find(self, victim: str) -> Process | None:
        """Return one of the processes, once it is there."""

    def wait(self) -> bool:
        """Wait until all has ended; return whether it ended well."""

    @property
    def said(self) -> str:
        """What was logged."""

    @property
    def said_by_us(self) -> str:
        """What the connectors logged."""


class Way(Protocol):
    """How a pipeline is run."""

    kill_within_seconds: float

    def start(self, number: int) -> Attempt:
        """Start it from the last state."""

    def break_state(self, chance: random.Random) -> str:
        """Let the state of the next attempt not be kept; return how."""

    def forget_state(self) -> None:
        """Let the next attempt start from nothing."""

    def meet(self, mishap: Mishap) -> bool:
        """Let something be wrong around the next attempt; return whether this way can."""


class Pipe:
    """`tap | target`, the state in a file that the next attempt is given."""

    kill_within_seconds = 0.8

    def __init__(self, pipeline: Pipeline, folder: Path) -> None:
        self._pipeline = pipeline
        self.folder = folder
        self.state: dict[str, Any] | None = None
        self.broken = ""
        self._mishap: Mishap | None = None

    def meet(self, mishap: Mishap) -> bool:
        self._mishap = mishap
        return True

    def break_state(self, chance: random.Random) -> str:
        self.broken = chance.choice(["the disk of the states is full", "nobody reads the states", "an older state"])
        return f"state: {self.broken}"

    def forget_state(self) -> None:
        self.state = None

    def start(self, number: int) -> PipeAttempt:
        tap, target = deepcopy((self._pipeline.tap, self._pipeline.target))
        variables = self._let_happen(tap[1], target[1])
        arguments = ["--config", self._write(f"{number}.tap-config", tap[1])]
        arguments += ["--catalog", self._write("catalog", tap[2])] if tap[2] else []
        arguments += ["--state", self._write(f"{number}.state", self.state)] if self.state else []
        attempt = PipeAttempt(self, number, self.broken)
        self.broken = ""
        with (
            Path(os.devnull).open("rb") as nothing,
            (self.folder / f"{number}.tap").open("wb") as tap_log,
            (self.folder / f"{number}.target").open("wb") as target_log,
            Path(attempt.states).open("wb") as states,
        ):
            reading, writing = os.pipe()
            attempt.processes["tap"] = start(tap[0], arguments, nothing.fileno(), writing, tap_log.fileno(), variables)
            os.close(writing)
            if self._pipeline.writes_batches:
                reading = self._write_batches(attempt, reading, tap_log.fileno())
            settings = ["--config", self._write(f"{number}.target-config", target[1])]
            output = states.fileno()
            if attempt.broken == "nobody reads the states":
                nobody, output = os.pipe()
                os.close(nobody)
            attempt.processes["target"] = start(target[0], settings, reading, output, target_log.fileno(), variables)
            os.close(reading)
            if output != states.fileno():
                os.close(output)
        return attempt

    def _write_batches(self, attempt: PipeAttempt, records: int, log: int) -> int:
        """Let what comes as records go on in batch files; return where it goes on."""
        reading, writing = os.pipe()
        folder = str(self.folder / "batches")
        attempt.processes["batcher"] = start("records-to-batches", [folder], records, writing, log)
        os.close(records)
        os.close(writing)
        return reading

    def _let_happen(self, tap: dict[str, Any], target: dict[str, Any]) -> dict[str, str]:
        """Let this attempt's mishap happen; return the variables of the environment."""
        variables = dict(self._pipeline.variables)
        mishap, self._mishap = self._mishap, None
        if mishap is None:
            return variables
        mishap.change(tap, target, self.folder)
        return variables | {name: value.replace("FOLDER", str(self.folder)) for name, value in mishap.variables.items()}

    def _write(self, name: str, content: Any) -> str:
        path = self.folder / f"{name}.json"
        path.write_text(json.dumps(content), encoding="utf-8")
        return str(path)


class PipeAttempt:
    """A tap and a target joined by a pipe, their output in files."""

    victims = ("tap", "target")

    def __init__(self, way: Pipe, number: int, broken: str) -> None:
        self._way = way
        self._number = number
        self.broken = broken
        full = broken == "the disk of the states is full"
        self.states = Path("/dev/full") if full else way.folder / f"{number}.states"
        self.processes: dict[str, Process] = {}

    def find(self, victim: str) -> Process:
        return self.processes[victim]

    def wait(self) -> bool:
        codes = [process.wait() for process in self.processes.values()]
        lines = [] if self.states == Path("/dev/full") else self.states.read_bytes().split(b"\n")[:-1]
        if self.broken:
            del lines[len(lines) // 2 :]
        if lines:
            self._way.state = json.loads(lines[-1])
        return not any(codes) and not self.broken

    @property
    def said(self) -> str:
        files = [self._way.folder / f"{self._number}.{who}" for who in self.victims]
        return "".join(file.read_text(encoding="utf-8", errors="replace") for file in files)

    said_by_us = said


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
