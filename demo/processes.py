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
STOP_SECONDS = 15


class DemoError(Exception):
    """Something the demo relies on failed; the message says what and where to look."""


@contextmanager
def running(
    command: list[str | Path], log: Path, environment: Mapping[str, str] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a command in the background; it and all it started are gone afterwards."""
    with log.open("ab") as output:
        process = subprocess.Popen(
            [str(part) for part in command],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=os.environ | dict(environment or {}),
            start_new_session=True,
        )
        try:
            yield process
        finally:
            stop(process)


def stop(process: subprocess.Popen[bytes]) -> None:
    """End a process group: politely, then for certain."""
    for way in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, way)
        except ProcessLookupError:
            break
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            continue
    process.wait()


def run(command: list[str | Path], log: Path, environment: Mapping[str, str] | None = None) -> str:
    """Run a command to its end and return what it said.

    Raises:
        DemoError: It failed.
    """
    with running(command, log, environment) as process:
        code = process.wait()
    said = log.read_text(encoding="utf-8", errors="replace")
    if code != 0:
        tail = "\n".join(said.splitlines()[-15:])
        raise DemoError(f"`{' '.join(map(str, command[1:]))}` ended with code {code}. The end of {log}:\n{tail}")
    return said


def await_answer(url: str, process: subprocess.Popen[bytes], name: str, log: Path) -> None:
    """Wait until a server answers.

    Raises:
        DemoError: It ended, or did not answer in time.
    """
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            requests.get(url, timeout=2)
        except requests.RequestException:
            time.sleep(0.05)  # nothing tells when another process listens; asking again is the only way
        else:
            return
    raise DemoError(f"The {name} did not start. What it said is in {log}.")
