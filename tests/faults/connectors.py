"""Connectors as processes that start in milliseconds: forked from a process that has imported them already.

A campaign of thousands of runs would otherwise spend its time importing. What runs is the real command line, with real
pipes and real signals.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import signal
import sys
import traceback
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

COMMANDS = {
    "tap-split-impressions": ("tap_split_impressions.tap", "TapSplitImpressions"),
    "tap-amplitude": ("tap_amplitude.tap", "TapAmplitude"),
    "target-amplitude": ("target_amplitude.target", "TargetAmplitude"),
    "target-split": ("target_split.target", "TargetSplit"),
}
FIRST_FREE_DESCRIPTOR = 3
LAST_DESCRIPTOR = 256


def preload() -> None:
    """Import all connectors."""
    for module, _ in COMMANDS.values():
        importlib.import_module(module)


@dataclass
class Process:
    """A running connector."""

    pid: int

    def kill(self, number: int = signal.SIGKILL) -> None:
        """Send a signal; one that comes too late does nothing."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, number)

    def wait(self) -> int:
        """Return the exit code, negative for a signal."""
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


def start(plugin: str, arguments: list[str], stdin: int, stdout: int, stderr: int) -> Process:
    """Start a connector on three descriptors."""
    module, name = COMMANDS[plugin]
    pid = os.fork()
    if pid:
        return Process(pid)
    code = 1
    try:
        for source, descriptor in ((stdin, 0), (stdout, 1), (stderr, 2)):
            os.dup2(source, descriptor)
        os.closerange(FIRST_FREE_DESCRIPTOR, LAST_DESCRIPTOR)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        # The parent's own files may stand on other descriptors.
        sys.stdin, sys.stdout, sys.stderr = os.fdopen(0), os.fdopen(1, "w"), os.fdopen(2, "w", buffering=1)
        sys.argv = [plugin, *arguments]
        try:
            getattr(importlib.import_module(module), name).cli()
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else int(end.code is not None)
        else:
            code = 0
        sys.stdout.flush()
    except BaseException:  # noqa: BLE001  # what an interpreter would print at its end
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)


@dataclass
class Pipe:
    """A tap and a target joined by a pipe, their output in files of a folder."""

    tap: Process
    target: Process
    folder: Path
    number: int

    def wait(self) -> tuple[int, int]:
        """Wait for both; return their exit codes."""
        return self.tap.wait(), self.target.wait()

    @property
    def state(self) -> dict[str, Any] | None:
        """The last whole line of state that the target wrote."""
        lines = (self.folder / f"{self.number}.states").read_bytes().split(b"\n")[:-1]
        return json.loads(lines[-1]) if lines else None

    @property
    def said(self) -> str:
        """What both logged."""
        return "".join((self.folder / f"{self.number}.{who}").read_text(errors="replace") for who in ("tap", "target"))


def start_pipe(
    folder: Path,
    number: int,
    tap: tuple[str, Mapping[str, Any], Mapping[str, Any] | None],
    target: tuple[str, Mapping[str, Any]],
    state: Mapping[str, Any] | None,
) -> Pipe:
    """Start `tap | target`.

    Args:
        folder: For settings, states and logs.
        number: Which attempt of the run this is.
        tap: Name, settings and, optionally, catalog.
        target: Name and settings.
        state: Where the tap resumes.
    """

    def write(name: str, content: Any) -> str:
        path = folder / f"{number}.{name}.json"
        path.write_text(json.dumps(content), encoding="utf-8")
        return str(path)

    arguments = ["--config", write("tap-config", tap[1])]
    arguments += ["--catalog", write("catalog", tap[2])] if tap[2] else []
    arguments += ["--state", write("state", state)] if state else []
    with (
        Path(os.devnull).open("rb") as nothing,
        (folder / f"{number}.tap").open("wb") as tap_log,
        (folder / f"{number}.target").open("wb") as target_log,
        (folder / f"{number}.states").open("wb") as states,
    ):
        reading, writing = os.pipe()
        source = start(tap[0], arguments, nothing.fileno(), writing, tap_log.fileno())
        os.close(writing)
        settings = ["--config", write("target-config", target[1])]
        sink = start(target[0], settings, reading, states.fileno(), target_log.fileno())
        os.close(reading)
    return Pipe(source, sink, folder, number)
