"""`python -m faults.endurance [--records N]`: a long run with faults, and a run against a slow service; print figures.

Impressions go through a pipe into Amplitude as events. What the service holds is compared with what the tap gave.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Any

import msgspec
import requests

from support.processes import BIN
from support.sandbox import Sandbox

RECORDS = 1_000_000
SLOW_RECORDS = 40_000
SLOW_SECONDS = 5
# Of all requests, for each kind of fault.
FAULTY_SHARE = 0.01
FAULTS: tuple[dict[str, Any], ...] = (
    {"kind": "status", "status": 503},
    {"kind": "status", "status": 429},
    {"kind": "cut"},
    {"kind": "lost"},
)


class Identity(msgspec.Struct):
    """What is compared of a record, or of an event."""

    impression_id: str = ""
    insert_id: str = ""


class Message(msgspec.Struct):
    """A line of the tap."""

    record: Identity = msgspec.field(default_factory=Identity)


@dataclass
class Run:
    """How a run went: seconds, and of the target megabytes at each second, seconds of CPU and lines of its log."""

    seconds: float
    megabytes: list[float]
    cpu_seconds: float
    log: list[str]

    def row(self, name: str, held: int, given: int) -> str:
        """Return the run's row of the table."""
        progress = sum("so far" in line.lower() for line in self.log)
        early = self.megabytes[len(self.megabytes) // 5]
        return (
            f"| {name} | {given:,} | {held:,} | {self.seconds:.0f} | {self.cpu_seconds:.1f} | {early:.0f} |"
            f" {max(self.megabytes):.0f} | {progress} |"
        )


def resident_megabytes(pid: int) -> float:
    """Return how much memory a process holds."""
    lines = Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines()
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS")), 0.0)


def watch(pid: int, ended: threading.Event) -> list[float]:
    """Return a process's memory at each second until it has ended."""
    taken = [resident_megabytes(pid)]
    while not ended.wait(1):
        taken.append(resident_megabytes(pid))
    return taken


def deliver(folder: Path, sandbox: Sandbox, **settings: Any) -> Run:
    """Run the pipeline to its end."""
    tap, target = folder / "tap.json", folder / "target.json"
    tap.write_text(json.dumps({"path": str(folder / "impressions")}), encoding="utf-8")
    target.write_text(json.dumps({"api_key": "test-api-key", "api_url": sandbox.url, **settings}), encoding="utf-8")
    ended, memory = threading.Event(), []
    with (folder / "log").open("w+", encoding="utf-8") as log:
        begun = monotonic()
        source = subprocess.Popen(
            [BIN / "tap-split-impressions", "--config", tap], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        sink = subprocess.Popen(
            [BIN / "target-amplitude", "--config", target],
            stdin=source.stdout,
            stdout=subprocess.DEVNULL,
            stderr=log,
        )
        watcher = threading.Thread(target=lambda: memory.extend(watch(sink.pid, ended)))
        watcher.start()
        _, status, usage = os.wait4(sink.pid, 0)
        seconds = monotonic() - begun
        ended.set()
        watcher.join()
        sink.returncode = os.waitstatus_to_exitcode(status)
        if source.wait() or sink.returncode:
            sys.exit(f"the tap ended with {source.returncode}, the target with {sink.returncode}: {folder}/log")
        log.seek(0)
        return Run(seconds, memory, usage.ru_utime + usage.ru_stime, log.read().splitlines())


def given_ids(folder: Path) -> set[str]:
    """Return the ids of all impressions that the tap reads."""
    decode = msgspec.json.Decoder(Message).decode
    command = [BIN / "tap-split-impressions", "--config", folder / "tap.json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as tap:
        assert tap.stdout is not None
        return {decode(line).record.impression_id for line in tap.stdout} - {""}


def held_ids(sandbox: Sandbox) -> list[str]:
    """Return the ids of all events that the service holds."""
    decode = msgspec.json.Decoder(Identity).decode
    with requests.get(f"{sandbox.url}/_sandbox/amplitude/events", stream=True, timeout=600) as answer:
        return [decode(line).insert_id for line in answer.iter_lines(1 << 20) if line]


def endure(name: str, records: int, plan: Callable[[Sandbox], None], **settings: Any) -> None:
    """Run once and print its row; exit when something is lost or doubled."""
    with tempfile.TemporaryDirectory(prefix="endurance-") as place:
        folder, sandbox = Path(place), Sandbox()
        try:
            maker = ["-m", "benchmarks.tap_split_impressions_ways.make_files"]
            subprocess.run([sys.executable, *maker, folder / "impressions", str(records), "stored", "1"], check=True)
            plan(sandbox)
            run = deliver(folder, sandbox, **settings)
            given, held = given_ids(folder), held_ids(sandbox)
            print(run.row(name, len(held), len(given)), flush=True)
            if len(held) != len(set(held)) or len(held) != len(given):
                sys.exit("What the service holds differs from what the tap gave.")
        finally:
            sandbox.stop()


def plan_faults(sandbox: Sandbox) -> None:
    for seed, fault in enumerate(FAULTS):
        sandbox.plan(path="/batch", probability=FAULTY_SHARE, seed=seed, times=None, **fault)


def plan_slowness(sandbox: Sandbox) -> None:
    sandbox.plan(path="/batch", kind="delay", delay_seconds=SLOW_SECONDS, times=None)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m faults.endurance", description=__doc__)
    parser.add_argument("--records", type=int, default=RECORDS, help="impressions of the long run")
    arguments = parser.parse_args()
    print("| run | given | held | seconds | CPU seconds | MB after a fifth | MB at most | progress lines |")
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
    endure("long, with faults", arguments.records, plan_faults)
    endure(f"{SLOW_SECONDS} s an answer", SLOW_RECORDS, plan_slowness, max_parallel_requests=2)


if __name__ == "__main__":
    main()
