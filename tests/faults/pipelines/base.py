"""What all pipelines of the campaign have in common: settings, rejects, and the comparison of both sides."""

from __future__ import annotations

import json
import random
import signal
import subprocess
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, Protocol

from faults.clock import Clock
from faults.disk import Disk
from faults.intake import ReceiverIntake, Request
from faults.mishaps import BATCH_MISHAPS, MISHAPS, Mishap
from support.processes import BIN
from support.sandbox import Sandbox

KEYS = {"api_key": "planted-secret-api", "secret_key": "planted-secret-read"}
SPLIT_KEYS = {"sdk_api_key": "planted-secret-sdk", "admin_api_key": "planted-secret-admin"}
RETRY_TIMEOUT_SECONDS = 4
TOO_LONG = 300  # characters: more than a key of Split may have

Tap = tuple[str, dict[str, Any], dict[str, Any] | None]


class Intake(Protocol):
    """What brings in the input while the pipeline runs, in a process of its own."""

    def wait(self) -> tuple[list[str], str]:
        """Wait until all of it is there; return what disturbed it, and what went wrong with it."""

    def stop(self) -> None:
        """End it, whatever it does."""

    @property
    def said(self) -> str:
        """What it logged."""


@dataclass(frozen=True)
class Compared:
    """How what came out differs from what went in.

    Attributes:
        records: How many things had to arrive.
        lost: How many are neither there nor in the rejects.
        doubled: How many are there too often, each counted once however often it is there.
        rejected: How many stand in the rejects.
    """

    records: int
    lost: int
    doubled: int
    rejected: int


class Pipeline:
    """A pipeline with its input prepared.

    Attributes:
        paths: Paths of the services that it uses, for faults.
        writes: What it writes to a disk, besides logs and states.
        tap: Name, settings and catalog of the tap.
        target: Name and settings of the target.
        writes_batches: Whether the tap's records go on in batch files; Meltano cannot do that.
        meltano: The plugins' names in meltano.yml.
        meltano_settings: Environment variables for Meltano alone.
        disturbances: What is unusual about the input.
        full: What is written to the disk that will be full, if there is one.
        skips: Whether ambiguous events are skipped, not sent again.
        intake: What brings in the input while the pipeline runs; None where all of it is there from the start.
        clock: The machine's clock, when it jumps; some of the input then comes after the last jump.
        mishaps: What may be wrong around a start.
    """

    paths: tuple[str, ...]
    writes: tuple[str, ...] = ("rejects",)
    tap: Tap
    target: tuple[str, dict[str, Any]]
    meltano: tuple[str, str]
    meltano_settings: Mapping[str, str] = MappingProxyType({})
    writes_batches = False
    intake: Intake | None = None
    skips = False
    mishaps: tuple[Mishap, ...] = MISHAPS

    def __init__(
        self, sandbox: Sandbox, folder: Path, chance: random.Random, disk: Disk | None, clock: Clock | None
    ) -> None:
        self.sandbox = sandbox
        self.folder = folder
        self.chance = chance
        self.disk = disk
        self.clock = clock
        self.full = chance.choice(self.writes) if disk else ""
        self.disturbances: list[str] = []
        self.prepare()

    def prepare(self) -> None:
        """Make the input, and the settings of both."""
        raise NotImplementedError

    def compare(self) -> Compared:
        """Compare both sides."""
        raise NotImplementedError

    @property
    def variables(self) -> Mapping[str, str]:
        """Environment variables of everything that runs."""
        return self.clock.variables if self.clock else {}

    def leave_blank(self) -> str:
        """Give blank texts for a few settings, which must change nothing."""
        for name, settings in (self.tap[:2], self.target):
            unset = [setting for setting in optional_settings(name) if setting not in settings]
            settings.update(
                dict.fromkeys(self.chance.sample(unset, min(5, len(unset))), self.chance.choice(["", "  "]))
            )
        return "blank settings"

    def write_batches(self, prefix: str, compression: str) -> None:
        """Let the tap write batch files."""
        storage = {"root": (self.folder / "batches").as_uri(), "prefix": prefix}
        self.tap[1]["batch_config"] = {"encoding": {"format": "jsonl", "compression": compression}, "storage": storage}
        self.mishaps = (*MISHAPS, *BATCH_MISHAPS)

    def place(self, what: str) -> Path:
        """Return the folder for something it writes: the small disk for what is to find it full."""
        return self.disk.folder if self.disk and what == self.full else self.folder

    def receiver_intake(self, command: str, folder: Path, requests: list[Request]) -> ReceiverIntake:
        """Return a receiver that takes requests while the pipeline runs; its disk may be the one that is full."""
        disk = self.disk if self.full == "receiver" else None
        return ReceiverIntake(requests, command, folder, self.folder, self.chance.random(), disk, self.variables)

    def rejects(self) -> list[dict[str, Any]]:
        """Return what was written to the rejects; a line that a full disk cut short is none."""
        path = self.place("rejects") / "rejects.jsonl"
        found = []
        for line in path.read_bytes().splitlines() if path.exists() else []:
            with suppress(json.JSONDecodeError):
                found.append(json.loads(line)["record"])
        return found

    def delivery(self) -> dict[str, Any]:
        """Settings that both targets have."""
        return {
            "retry_timeout_seconds": RETRY_TIMEOUT_SECONDS,
            "max_parallel_requests": self.chance.randrange(1, 5),
            "rejects_path": str(self.place("rejects") / "rejects.jsonl"),
        }


def compared(expected: Counter[Any], refused: Counter[Any], found: Counter[Any], rejected: set[Any]) -> Compared:
    """Compare, record by record.

    Args:
        expected: What must have arrived, unless it was rejected.
        refused: What must have been rejected.
        found: What the service holds.
        rejected: What stands in the rejects.
    """
    missing = (expected - found) + refused
    lost = sum(count for place, count in missing.items() if place not in rejected)
    return Compared(expected.total() + refused.total(), lost, len(found - expected), len(rejected))


@cache
def optional_settings(connector: str) -> list[str]:
    """Return the settings of a connector that may be left out."""
    command = [str(BIN / connector), "--about", "--format=json"]
    about = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)["settings"]
    return sorted(about["properties"].keys() - set(about.get("required", ())))


def selection(*streams: str) -> dict[str, Any]:
    """Return a catalog of tap-amplitude in which only some streams are selected."""
    from tap_amplitude.tap import TapAmplitude  # noqa: PLC0415  # only where the tap is used

    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    catalog = TapAmplitude(config=KEYS, validate_config=False, setup_mapper=False).catalog_dict
    for number, handler in handlers.items():
        signal.signal(number, handler)  # the tap set its own, and what is forked from here would inherit them
    for entry in catalog["streams"]:
        for item in entry["metadata"]:
            if not item["breadcrumb"]:
                item["metadata"]["selected"] = entry["tap_stream_id"] in streams
    return catalog
