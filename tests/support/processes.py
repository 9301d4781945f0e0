"""Connectors as real processes: run one to its end, or hold it while something happens to it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from support.inside import run_inside

BIN = Path(sys.executable).parent
TIMEOUT_SECONDS = 120


@dataclass
class Result:
    """How a connector's process ended."""

    code: int
    stdout: str
    stderr: str

    @property
    def messages(self) -> list[dict[str, Any]]:
        """Singer messages of a tap, or the states of a target, in order."""
        return [json.loads(line) for line in self.stdout.splitlines()]

    def of_type(self, kind: str) -> list[dict[str, Any]]:
        return [message for message in self.messages if message.get("type") == kind]

    def records(self, stream: str) -> list[dict[str, Any]]:
        return [message["record"] for message in self.of_type("RECORD") if message["stream"] == stream]

    @property
    def state(self) -> dict[str, Any] | None:
        """The last state: a tap's STATE message's value, or a target's last line."""
        last = next((m for m in reversed(self.messages) if m.get("type", "STATE") == "STATE"), None)
        return last.get("value", last) if last else None

    def points(self, kind: str) -> list[dict[str, Any]]:
        """The measurements of a kind (`counter`, `gauge`, `timer`), each with `metric`, `value` and `tags`."""
        found = (line.partition("METRIC: ")[2] for line in self.stderr.splitlines())
        points = [json.loads(text) for text in found if text]
        return [point for point in points if point["type"] == kind]

    @property
    def metrics(self) -> dict[str, float]:
        """The counters of the closing summary by name, added up over their tags."""
        totals: dict[str, float] = {}
        for point in self.points("counter"):
            totals[point["metric"]] = totals.get(point["metric"], 0) + point["value"]
        return totals

    @property
    def counts_of_records(self) -> dict[str, dict[str, dict[str, float]]]:
        """By stream and counter of records (`read`, `sent`, …), the count of each reason; all points have a `pid`."""
        counts: dict[str, dict[str, dict[str, float]]] = {}
        for point in self.points("counter"):
            tags, counter = point["tags"], point["metric"].removeprefix("records_")
            assert tags["pid"]
            if point["value"] and counter != point["metric"]:
                reasons = counts.setdefault(tags.get("stream", ""), {}).setdefault(counter, {})
                assert tags.get("reason", "") not in reasons
                reasons[tags.get("reason", "")] = point["value"]
        return counts


class Workplace:
    """Runs connectors in a temporary folder that holds their settings, states and files."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._count = 0

    def file(self, name: str, content: Any) -> Path:
        """Write a text, bytes, or anything else as JSON; return the path."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, bytes):
            path.write_bytes(content)
        else:
            path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
        return path

    def command(
        self,
        plugin: str,
        config: Mapping[str, Any] | None = None,
        *arguments: str | Path,
        state: Mapping[str, Any] | None = None,
        catalog: Mapping[str, Any] | None = None,
    ) -> list[str]:
        """The command line of a connector, its settings written to a file."""
        self._count += 1
        command = [str(BIN / plugin)]
        for option, content in (("config", config), ("state", state), ("catalog", catalog)):
            if content is not None:
                command += [f"--{option}", str(self.file(f"{option}-{self._count}.json", content))]
        return command + [str(argument) for argument in arguments]

    def start(
        self, command: list[str], environment: Mapping[str, str] | None = None, **options: Any
    ) -> subprocess.Popen[str]:
        """Start a process with pipes on all three ends."""
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        return subprocess.Popen(
            command,
            text=True,
            encoding="utf-8",
            cwd=self.folder,
            env=os.environ | dict(environment or {}),
            **(pipes | options),
        )

    def run(
        self,
        plugin: str,
        config: Mapping[str, Any] | None = None,
        *arguments: str | Path,
        messages: Iterable[Mapping[str, Any] | str] = (),
        state: Mapping[str, Any] | None = None,
        catalog: Mapping[str, Any] | None = None,
        environment: Mapping[str, str] | None = None,
        timeout: float = TIMEOUT_SECONDS,
        inside: bool = False,
    ) -> Result:
        """Run a connector to its end; `messages` (objects, or raw lines) are its standard input.

        With `inside` it runs in the test's own process, which is quicker; signals and exit handlers need a real one.
        """
        command = self.command(plugin, config, *arguments, state=state, catalog=catalog)
        lines = "".join(f"{m if isinstance(m, str) else json.dumps(m)}\n" for m in messages)
        if inside:
            text = lines.encode("utf-8", "surrogatepass")
            return Result(*run_inside(plugin, command[1:], text, environment or {}, self.folder))
        process = self.start(command, environment)
        stdout, stderr = process.communicate(lines, timeout=timeout)
        return Result(process.returncode, stdout, stderr)
