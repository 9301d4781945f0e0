"""Processes of the demo: each in a group of its own, and none left behind whatever happens."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import requests

BIN = Path(sys.executable).parent
START_SECONDS = 30
STOP_SECONDS = 10
STOPPING = (signal.SIGINT, signal.SIGTERM)


class DemoError(Exception):
    """Something the demo relies on failed; the message says what and where to look."""


@contextmanager
def running(
    command: list[str | Path], log: Path, environment: Mapping[str, str] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a command in the background; it and all it started are gone afterwards."""
    process = None
    with log.open("ab") as output:
        # A signal between the start and the `try` would leave the process behind, so signals wait for that moment.
        signal.pthread_sigmask(signal.SIG_BLOCK, STOPPING)
        try:
            process = subprocess.Popen(
                [str(part) for part in command],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=os.environ | dict(environment or {}),
                start_new_session=True,
                preexec_fn=let_signals_in,  # noqa: PLW1509  # the demo has one thread
            )
            let_signals_in()
            yield process
        finally:
            if process is not None:
                stop(process)


def let_signals_in() -> None:
    signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPPING)


def stop(process: subprocess.Popen[bytes]) -> None:
    """End a process group, politely, then for certain; return when all of it is gone."""
    for way in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, way)
        except ProcessLookupError:
            break
        deadline = time.monotonic() + STOP_SECONDS
        while time.monotonic() < deadline and group_lives(process):
            time.sleep(0.05)  # nothing tells when the last process of a group ends
    process.wait()


def group_lives(process: subprocess.Popen[bytes]) -> bool:
    process.poll()  # an ended leader that nobody waited for would count
    try:
        os.killpg(process.pid, 0)
    except ProcessLookupError:
        return False
    return True


def run(command: list[str | Path], log: Path, environment: Mapping[str, str] | None = None) -> str:
    """Run a command to its end and return what it said, or raise `DemoError`."""
    with running(command, log, environment) as process:
        code = process.wait()
    said = log.read_text(encoding="utf-8", errors="replace")
    if code != 0:
        tail = "\n".join(said.splitlines()[-15:])
        raise DemoError(f"`{' '.join(map(str, command[1:]))}` ended with code {code}. The end of {log}:\n{tail}")
    return said


def await_answer(url: str, process: subprocess.Popen[bytes], name: str, log: Path) -> None:
    """Wait until a server answers, or raise `DemoError`."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            requests.get(url, timeout=2)
        except requests.RequestException:
            time.sleep(0.05)  # nothing tells when another process listens
        else:
            return
    raise DemoError(f"The {name} did not start. What it said is in {log}.")
