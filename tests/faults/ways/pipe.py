"""A pipeline run as `tap | target`."""

from __future__ import annotations

import json
import os
import random
from copy import deepcopy
from pathlib import Path
from typing import Any

from faults.connectors import Process, start
from faults.mishaps import Mishap
from faults.pipelines import Pipeline


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
