"""Connectors as processes that start in milliseconds: forked from a process that has imported them already.

A campaign of thousands of runs would otherwise spend its time importing. What runs is the real command line, with real
pipes and real signals.
"""

from __future__ import annotations

import importlib
import operator
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import psutil

from target_split.common.startup import end_at_interrupt

COMMANDS = {
    "tap-split-impressions": ("tap_split_impressions.tap", "TapSplitImpressions.cli"),
    "tap-split-impressions-webhook": ("tap_split_impressions.receiver.cli", "main"),
    "tap-amplitude-webhook": ("tap_amplitude.receiver.cli", "main"),
    "tap-amplitude": ("tap_amplitude.tap", "TapAmplitude.cli"),
    "target-amplitude": ("target_amplitude.target", "TargetAmplitude.cli"),
    "records-to-batches": ("faults.batcher", "main"),
    "target-split": ("target_split.target", "TargetSplit.cli"),
}
FIRST_FREE_DESCRIPTOR = 3
LAST_DESCRIPTOR = 256
# What Python itself ends with when it cannot write what is left for standard output.
FLUSH_FAILED = 120


def preload() -> None:
    """Import all connectors."""
    for module, _ in COMMANDS.values():
        importlib.import_module(module)


@dataclass
class Process:
    """A running process."""

    pid: int

    def kill(self, number: int = signal.SIGKILL) -> bool:
        """Send a signal; return whether it came before the process had ended."""
        try:
            process = psutil.Process(self.pid)
            if process.status() == psutil.STATUS_ZOMBIE:
                return False
            process.send_signal(number)
        except psutil.NoSuchProcess:
            return False
        return True

    def ends_within(self, seconds: float) -> bool:
        """Return whether a process that this one started ends in time; `wait` still gives its exit code."""
        deadline = time.monotonic() + seconds
        while os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
            if time.monotonic() > deadline:
                return False
            time.sleep(0.02)  # nothing tells with a limit of time that a process has ended
        return True

    def wait(self) -> int:
        """Return the exit code of a process that this one started, negative for a signal."""
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


def start(
    plugin: str,
    arguments: list[str],
    stdin: int,
    stdout: int,
    stderr: int,
    variables: Mapping[str, str] | None = None,
) -> Process:
    """Start a connector on three descriptors, with further environment variables."""

    def work() -> int:
        os.environ.update(variables or {})
        return command(plugin, arguments, stdin, stdout, stderr)

    return fork(work)


def fork(work: Callable[[], int]) -> Process:
    """Start a copy of this process that does some work, which returns the exit code."""
    pid = os.fork()
    if pid:
        return Process(pid)
    code = 1
    try:
        code = work()
    except BaseException:  # noqa: BLE001  # what an interpreter would print at its end
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)


def command(plugin: str, arguments: list[str], stdin: int, stdout: int, stderr: int) -> int:
    """Be a connector from here on; return its exit code."""
    module, name = COMMANDS[plugin]
    for source, descriptor in ((stdin, 0), (stdout, 1), (stderr, 2)):
        os.dup2(source, descriptor)
    os.closerange(FIRST_FREE_DESCRIPTOR, LAST_DESCRIPTOR)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    end_at_interrupt()  # as its `__main__` does
    # The parent's own files may stand on other descriptors.
    sys.stdin, sys.stdout, sys.stderr = os.fdopen(0), os.fdopen(1, "w"), os.fdopen(2, "w", buffering=1)
    sys.argv = [plugin, *arguments]
    code = 0
    try:
        operator.attrgetter(name)(importlib.import_module(module))()
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        return code or FLUSH_FAILED
    return code
