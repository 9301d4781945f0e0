"""`python -m faults.soak [--minutes N]`: all receivers under steady load, killed now and then, beside taps that read.

What a receiver acknowledged must be read by its tap exactly once; what it did not, at most once: senders send nothing
again here. Two receivers of impressions share a folder, as behind a load balancer.
"""

from __future__ import annotations

import argparse
import http.client
import json
import random
import re
import signal
import subprocess
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from support.processes import BIN

MINUTES = 30.0
# Seconds between two kills of a receiver, and between two runs of a tap.
KILL_SECONDS = (25.0, 90.0)
TAP_SECONDS = (2.0, 15.0)
SIGNALS = (signal.SIGKILL, signal.SIGKILL, signal.SIGTERM)

Body = tuple[bytes, list[str]]  # what is posted, and the ids in it


def impressions_body(first: int, prefix: str) -> Body:
    """A batch of 15 impressions as Split's webhook posts them."""
    ids = [f"{prefix}-{number}" for number in range(first * 15, first * 15 + 15)]
    common = {"split": "checkout", "treatment": "on", "environmentName": "Production", "label": "default rule"}
    rows = [common | {"key": key, "time": 1_773_480_000_000 + position} for position, key in enumerate(ids)]
    return json.dumps(rows).encode(), ids


def event_body(number: int, prefix: str) -> Body:
    """A streamed event."""
    moment = "2026-03-14 09:26:53.589000"
    event = {"event_type": "Checkout", "uuid": f"{prefix}-{number}", "event_time": moment, "server_upload_time": moment}
    return json.dumps(event).encode(), [f"{prefix}-{number}"]


def change_body(number: int, prefix: str) -> Body:
    """A message of a cohort's change with one user."""
    message = {
        "cohort_name": "Buyers",
        "cohort_id": "buyers",
        "in_cohort": True,
        "computed_time": str(1_773_480_000 + number),
        "message_id": f"{prefix}-{number}",
        "users": [{"user_id": f"user-{number}"}],
    }
    return json.dumps(message).encode(), [f"{prefix}-{number}"]


@dataclass
class Receiver:
    """A receiver that is killed and started again at the same port."""

    command: str
    folder: Path
    log: Path
    port: int = 0
    kills: int = 0
    process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        """Start it, and wait until it listens."""
        options = ["--path", str(self.folder), "--port", str(self.port), "--seal-seconds", "2"]
        with self.log.open("a", encoding="utf-8") as log:
            self.process = subprocess.Popen(
                [BIN / self.command, *options], stdout=subprocess.PIPE, stderr=log, text=True
            )
        assert self.process.stdout is not None
        found = re.search(r"http://[^,\s]+:(\d+)", self.process.stdout.readline())
        if not found:
            raise RuntimeError(f"{self.command} did not start: {self.log}")
        self.port = int(found[1])

    def end(self, number: int) -> None:
        """End it with a signal."""
        assert self.process is not None
        self.process.send_signal(number)
        if self.process.wait() not in (0, -number):
            raise RuntimeError(f"{self.command} ended with {self.process.returncode}: {self.log}")


@dataclass
class Load:
    """Requests at a steady rate to one receiver."""

    receiver: Receiver
    body: Callable[[int, str], Body]
    prefix: str
    seconds: float  # between two requests
    acknowledged: list[str] = field(default_factory=list)
    unanswered: list[str] = field(default_factory=list)
    refused: int = 0

    def run(self, ended: threading.Event) -> None:
        """Post until the end."""
        number, connection = 0, None
        while not ended.wait(self.seconds):
            body, ids = self.body(number, self.prefix)
            number += 1
            try:
                connection = connection or http.client.HTTPConnection("127.0.0.1", self.receiver.port, timeout=30)
                connection.request("POST", "/", body, {"Content-Type": "application/json"})
                answer = connection.getresponse()
                answer.read()
            except (OSError, http.client.HTTPException):
                connection = None
                self.unanswered += ids
                continue
            if answer.status == 200:
                self.acknowledged += ids
            else:
                self.refused += len(ids)


@dataclass
class Reader:
    """A tap that runs again and again from its last state; counts each id that it reads."""

    name: str
    config: dict[str, Any]
    streams: tuple[str, ...]
    folder: Path
    read: Counter[str] = field(default_factory=Counter)
    runs: int = 0
    state: Any = None

    def run_once(self) -> None:
        """Run the tap and take in what it emits."""
        paths = {"config": self.config, "catalog": self.catalog(), "state": self.state}
        command: list[Any] = [BIN / self.name]
        for option, content in paths.items():
            if content is not None:
                path = self.folder / f"{self.name}-{option}.json"
                path.write_text(json.dumps(content), encoding="utf-8")
                command += [f"--{option}", path]
        with (self.folder / f"{self.name}.log").open("w", encoding="utf-8") as log:
            result = subprocess.run(command, stdout=subprocess.PIPE, stderr=log, check=False)
        if result.returncode:
            raise RuntimeError(f"{self.name} ended with {result.returncode}: {log.name}")
        self.runs += 1
        for line in result.stdout.splitlines():
            message = json.loads(line)
            if message["type"] == "RECORD":
                record = message["record"]
                self.read[record.get("message_id") or record.get("uuid") or record["key"]] += 1
            elif message["type"] == "STATE":
                self.state = message["value"]

    def catalog(self) -> Any:
        """Return a catalog that selects the streams."""
        path = self.folder / f"{self.name}-config.json"
        path.write_text(json.dumps(self.config), encoding="utf-8")
        if not hasattr(self, "_catalog"):
            command = [BIN / self.name, "--config", path, "--discover"]
            found = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
            for stream in found["streams"]:
                for item in stream["metadata"]:
                    if not item["breadcrumb"]:
                        item["metadata"]["selected"] = stream["tap_stream_id"] in self.streams
            self._catalog = found
        return self._catalog

    def run(self, ended: threading.Event, chance: random.Random) -> None:
        """Run it now and then until the end."""
        while not ended.wait(chance.uniform(*TAP_SECONDS)):
            self.run_once()


def kill(receiver: Receiver, ended: threading.Event, chance: random.Random) -> None:
    """Kill a receiver now and then until the end, and start it again."""
    while not ended.wait(chance.uniform(*KILL_SECONDS)):
        receiver.end(chance.choice(SIGNALS))
        receiver.kills += 1
        receiver.start()


class Task(threading.Thread):
    """A thread whose failure is told when it is joined."""

    def __init__(self, work: Callable[[], None]) -> None:
        super().__init__()
        self._work = work
        self.error: BaseException | None = None

    def run(self) -> None:
        """Do the work."""
        try:
            self._work()
        except BaseException as error:  # noqa: BLE001  # told by the main thread
            self.error = error


def soak(folder: Path, minutes: float, seed: int) -> bool:
    """Let it all run; print a row for each kind of thing; return whether nothing is lost or read twice."""
    split, amplitude = folder / "impressions", folder / "amplitude"
    receivers = [
        Receiver("tap-split-impressions-webhook", split, folder / "receiver-1.log"),
        Receiver("tap-split-impressions-webhook", split, folder / "receiver-2.log"),
        Receiver("tap-amplitude-webhook", amplitude, folder / "receiver-3.log"),
    ]
    loads = [
        Load(receivers[0], impressions_body, "impression-a", 0.4),
        Load(receivers[1], impressions_body, "impression-b", 0.4),
        Load(receivers[2], event_body, "event", 0.05),
        Load(receivers[2], change_body, "message", 0.5),
    ]
    keys = {"api_key": "test-api-key", "secret_key": "test-secret-key", "api_url": "http://127.0.0.1:9"}
    readers = [
        Reader("tap-split-impressions", {"path": str(split)}, ("impressions",), folder),
        Reader("tap-amplitude", keys | {"path": str(amplitude)}, ("events", "cohort_changes"), folder),
    ]
    for target in (split, amplitude):
        target.mkdir()
    for receiver in receivers:
        receiver.start()
    ended = threading.Event()
    tasks = [Task(lambda load=load: load.run(ended)) for load in loads]
    for number, reader in enumerate(readers):
        tasks.append(Task(lambda reader=reader, n=number: reader.run(ended, random.Random(f"tap {n} {seed}"))))
    for number, receiver in enumerate(receivers):
        tasks.append(Task(lambda one=receiver, n=number: kill(one, ended, random.Random(f"kill {n} {seed}"))))
    for task in tasks:
        task.start()
    ended.wait(minutes * 60)
    ended.set()
    for task in tasks:
        task.join()
    for receiver in receivers:
        receiver.end(signal.SIGTERM)
    for reader in readers:
        reader.run_once()
    for error in filter(None, (task.error for task in tasks)):
        print(f"FAILED: {error}")
    rows = [row(load, readers[load.receiver.command == "tap-amplitude-webhook"]) for load in loads]
    return all(rows) and not any(task.error for task in tasks)


def row(load: Load, reader: Reader) -> bool:
    """Print what became of a load; return whether nothing is lost or read twice."""
    lost = sum(not reader.read[identity] for identity in load.acknowledged)
    twice = sum(reader.read[identity] > 1 for identity in load.acknowledged + load.unanswered)
    print(
        f"| {load.prefix} | {load.receiver.kills} | {reader.runs} | {len(load.acknowledged):,} | {lost} | {twice} |"
        f" {len(load.unanswered)} |",
        flush=True,
    )
    return not lost and not twice and not load.refused


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m faults.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=MINUTES)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    print("| sent | kills | runs of the tap | acknowledged | lost | read twice | without an answer |")
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: |")
    with tempfile.TemporaryDirectory(prefix="soak-") as place:
        sys.exit(not soak(Path(place), arguments.minutes, arguments.seed))


if __name__ == "__main__":
    main()
