"""Requests to a receiver, which dies now and then; their sender sends again what got no 200."""

from __future__ import annotations

import http.client
import json
import os
import random
import re
import signal
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from faults.connectors import Process, fork, start
from faults.disk import Disk

# A kill meets the receiver while it takes, stores or answers a request.
KILL_WITHIN_SECONDS = 0.015
KILLS = 3  # on average, but no more than this share of the requests
KILLED_SHARE = 0.08
TRIES = 20
REFUSALS_UNTIL_ROOM = 2

TAKEN, NOT_STORED = 200, 503
LOG = "intake.log"


@dataclass(frozen=True)
class Request:
    """A request to a receiver.

    Attributes:
        body: What is posted.
        pause: Seconds before it.
    """

    body: bytes
    pause: float = 0.0


class ForkedIntake:
    """Something that brings in the input, in a process group of its own.

    Args:
        work: Brings it in; returns what disturbed it, and what went wrong with it. It runs in another process.
        notes: A folder for what happened and for the log.
    """

    def __init__(self, work: Callable[[], tuple[list[str], str]], notes: Path) -> None:
        self.log = notes / LOG
        self._report = notes / "intake.json"
        self._process = fork(lambda: self._run(work))

    def _run(self, work: Callable[[], tuple[list[str], str]]) -> int:
        os.setpgid(0, 0)
        disturbances, problem = work()
        report = {"disturbances": disturbances, "problem": problem}
        self._report.write_text(json.dumps(report), encoding="utf-8")
        return 0

    def wait(self) -> tuple[list[str], str]:
        """Wait until all is there; return what disturbed it, and what went wrong with it."""
        code = self._process.wait()
        if code != 0 or not self._report.exists():
            return [], f"the intake ended with {code}: {self.said[-600:]}"
        report = json.loads(self._report.read_text(encoding="utf-8"))
        return report["disturbances"], report["problem"]

    def stop(self) -> None:
        """End it and its children, whatever they do."""
        try:
            os.killpg(self._process.pid, signal.SIGKILL)
        except ProcessLookupError:
            return

    @property
    def said(self) -> str:
        """What its receiver logged."""
        return self.log.read_text(encoding="utf-8", errors="replace") if self.log.exists() else ""


class ReceiverIntake(ForkedIntake):
    """A receiver and its sender.

    Args:
        requests: What is sent, in order.
        receiver: The receiver's command.
        target: The folder that the receiver writes.
        notes: A folder for the log and for what happened.
        seed: Decides what is random.
        disk: The disk below `target`, when it is to be full for a while.
        variables: Of the receiver's environment.
    """

    def __init__(
        self,
        requests: list[Request],
        receiver: str,
        target: Path,
        notes: Path,
        seed: float,
        disk: Disk | None,
        variables: Mapping[str, str],
    ) -> None:
        sender = Sender(requests, receiver, target, notes / LOG, seed, disk, variables)
        super().__init__(sender.run, notes)


class LateIntake:
    """Input that is there once the disturbances are over.

    Args:
        bring: Brings it.
    """

    said = ""

    def __init__(self, bring: Callable[[], None]) -> None:
        self._bring = bring

    def wait(self) -> tuple[list[str], str]:
        """Bring it; return what disturbed it and what went wrong: nothing."""
        self._bring()
        return [], ""

    def stop(self) -> None:
        """Do nothing: nothing runs."""


class Sender:
    """Posts requests to a receiver that it starts, kills and starts again."""

    def __init__(
        self,
        requests: list[Request],
        receiver: str,
        target: Path,
        log: Path,
        seed: float,
        disk: Disk | None,
        variables: Mapping[str, str],
    ) -> None:
        self._variables = variables
        self._requests = requests
        self._command = receiver
        self._target = target
        self._log = log
        self._chance = random.Random(f"intake {seed}")
        self._killed_share = min(KILLED_SHARE, KILLS / len(requests))
        self._disk = disk
        self._receiver: Process | None = None
        self._port = 0
        self._refusals = 0
        self._disturbances: list[str] = []
        self._problem = ""

    def run(self) -> tuple[list[str], str]:
        """Post everything; return what disturbed the receiver, and what went wrong."""
        full_at = self._chance.randrange(len(self._requests)) if self._disk else -1
        for number, request in enumerate(self._requests):
            time.sleep(request.pause)  # an event of the outside world
            if number == full_at and self._disk:
                self._disk.fill(self._chance.randrange(2 * len(request.body) + 1))
            self._deliver(request.body)
        self._make_room()
        self._seal()
        return self._disturbances, self._problem

    def _deliver(self, body: bytes) -> None:
        for _ in range(TRIES):
            status = self._post(body) if self._receiver or self._start_receiver() else NOT_STORED
            if status == TAKEN:
                return
            if status == NOT_STORED:
                self._refusals += 1
                if self._refusals >= REFUSALS_UNTIL_ROOM:
                    self._disturbances.append("disk full: receiver")
                    self._make_room()
            elif status:
                self._problem = f"the receiver answered {status}"
        raise RuntimeError(f"the receiver did not take a request in {TRIES} tries")

    def _post(self, body: bytes) -> int | None:
        """Post a request, perhaps killing the receiver meanwhile; return the status that was heard."""
        receiver = self._receiver
        killed = None
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=30)
        try:
            connection.request("POST", "/", body)
            if receiver and self._chance.random() < self._killed_share:
                killed = self._chance.choice([signal.SIGKILL, signal.SIGKILL, signal.SIGTERM])
                time.sleep(self._chance.random() * KILL_WITHIN_SECONDS)  # the moment of a kill is what is random
                receiver.kill(killed)
                self._disturbances.append(f"{killed.name} receiver")
            return connection.getresponse().status
        except (OSError, http.client.HTTPException):
            return None
        finally:
            connection.close()
            if killed and receiver:
                self._note_end(receiver.wait(), killed)

    def _note_end(self, code: int, sent: signal.Signals) -> None:
        self._receiver = None
        if code not in (0, -sent):
            self._problem = f"the receiver ended with {code} after {sent.name}"

    def _start_receiver(self) -> bool:
        options = ["--path", str(self._target), "--port", "0", "--seal-seconds", "0.3"]
        reading, writing = os.pipe()
        with Path(os.devnull).open("rb") as nothing, self._log.open("ab") as log:
            receiver = start(self._command, options, nothing.fileno(), writing, log.fileno(), self._variables)
        os.close(writing)
        with os.fdopen(reading) as output:
            found = re.search(r"http://[^,\s]+:(\d+)", output.readline())
        if not found:
            receiver.wait()
            return False
        self._receiver, self._port = receiver, int(found[1])
        return True

    def _seal(self) -> None:
        """Stop the receiver in good order: then the tap may read all it stored. A killed one is started again first."""
        if self._receiver or self._start_receiver():
            self._receiver.kill(signal.SIGTERM)
            self._note_end(self._receiver.wait(), signal.SIGTERM)

    def _make_room(self) -> None:
        self._refusals = 0
        if self._disk:
            self._disk.free()
