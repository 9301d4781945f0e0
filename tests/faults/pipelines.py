"""The pipelines of the campaign: what goes in, how they are set up, what must come out."""

from __future__ import annotations

import gzip
import json
import random
import signal
import subprocess
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

from demo import compare, data
from faults.disk import Disk
from faults.intake import Intake
from support.processes import BIN
from support.sandbox import Sandbox

KEYS = {"api_key": "planted-secret-api", "secret_key": "planted-secret-read"}
SPLIT_KEYS = {"sdk_api_key": "planted-secret-sdk", "admin_api_key": "planted-secret-admin"}
RETRY_TIMEOUT_SECONDS = 4
HOURS = 3
TOO_LONG = 300  # characters: more than a key of Split may have
RECEIVER_SHARE = 0.35
SKIP_SHARE = 0.3

Tap = tuple[str, dict[str, Any], dict[str, Any] | None]


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
        meltano: The plugins' names in meltano.yml.
        full: What is written to the disk that will be full, if there is one.
        was_resumed: Whether more than one attempt was needed.
        intake: The receiver and its sender, where impressions come in through it.
    """

    paths: tuple[str, ...]
    writes: tuple[str, ...] = ("rejects",)
    tap: Tap
    target: tuple[str, dict[str, Any]]
    meltano: tuple[str, str]
    intake: Intake | None = None
    was_resumed = False

    def __init__(self, sandbox: Sandbox, folder: Path, chance: random.Random, disk: Disk | None) -> None:
        self.sandbox = sandbox
        self.folder = folder
        self.chance = chance
        self.disk = disk
        self.full = chance.choice(self.writes) if disk else ""
        self.prepare()

    def prepare(self) -> None:
        """Make the input, and the settings of both."""
        raise NotImplementedError

    def compare(self) -> Compared:
        """Compare both sides."""
        raise NotImplementedError

    def leave_blank(self) -> str:
        """Give blank texts for a few settings, which must change nothing."""
        for name, settings in (self.tap[:2], self.target):
            unset = [setting for setting in optional_settings(name) if setting not in settings]
            settings.update(
                dict.fromkeys(self.chance.sample(unset, min(5, len(unset))), self.chance.choice(["", "  "]))
            )
        return "blank settings"

    def place(self, what: str) -> Path:
        """Return the folder for something it writes: the small disk for what is to find it full."""
        return self.disk.folder if self.disk and what == self.full else self.folder

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


class Impressions(Pipeline):
    """Impressions, from files or through the receiver → Amplitude, in one of the three ways."""

    load_as = "event"
    paths = ("/batch", "/2/httpapi")
    writes = ("rejects", "impressions")
    meltano = ("tap-split-impressions", "target-amplitude")

    def prepare(self) -> None:
        self.rows = data.impressions(datetime.now(UTC))[: self.chance.randrange(50, 1_500)]
        through_receiver = self.full == "impressions" or self.chance.random() < RECEIVER_SHARE
        source = self.place("impressions") / "impressions"
        if through_receiver:
            disk = self.disk if self.full == "impressions" else None
            self.intake = Intake(self.rows, source, self.folder, str(self.chance.random()), disk)
        else:
            self.write_files(source)
        self.tap = (
            "tap-split-impressions",
            {"path": str(source), "settle_seconds": 0, "environments": ["Production"]},
            None,
        )
        settings = {
            "api_url": self.sandbox.url,
            "api_key": KEYS["api_key"],
            "load_as": self.load_as,
            "endpoint": self.chance.choice(["batch", "http"]),
            "identify_via": self.chance.choice(["events", "api"]),
        }
        self.target = ("target-amplitude", settings | self.delivery())

    def write_files(self, folder: Path) -> None:
        """Write the impressions into a few files of random size, some gzipped, some rows twice."""
        folder.mkdir()
        waiting = self.rows + self.chance.sample(self.rows, len(self.rows) // 20)
        while waiting:
            size = self.chance.randrange(1, 400)
            body = "".join(json.dumps(row) + "\n" for row in waiting[:size]).encode()
            del waiting[:size]
            name = f"{self.chance.getrandbits(32):08x}.jsonl"
            if self.chance.random() < 0.3:
                (folder / f"{name}.gz").write_bytes(gzip.compress(body))
            else:
                (folder / name).write_bytes(body)

    @property
    def production(self) -> list[dict[str, Any]]:
        """What the tap's filter lets through and the target does not leave out."""
        return [row for row in self.rows if row["environmentName"] == "Production"]

    def place_of(self, row: dict[str, Any]) -> tuple[Any, ...]:
        """Return what tells an impression, and says all of it that arrives."""
        return (row["key"], row["time"], row["split"], row["treatment"])

    def found(self) -> Counter[Any]:
        """Return the same of what Amplitude holds."""
        return Counter(self.place_of_event(event) for event in self.sandbox.amplitude_events())

    def place_of_event(self, event: dict[str, Any]) -> tuple[Any, ...]:
        """Return the same of an event."""
        properties = event["event_properties"]
        return (event["user_id"], event["time"], properties.get("split_name"), properties.get("treatment"))

    def place_of_reject(self, record: dict[str, Any]) -> tuple[Any, ...]:
        """Return the same of a rejected impression."""
        moment = datetime.fromisoformat(record["time"])
        return (record["key"], round(moment.timestamp() * 1000), record["split"], record["treatment"])

    def compare(self) -> Compared:
        rows = self.production
        expected = Counter(self.place_of(row) for row in rows if row["key"] not in data.REFUSED_KEYS)
        refused = Counter(self.place_of(row) for row in rows if row["key"] in data.REFUSED_KEYS)
        return compared(expected, refused, self.found(), {self.place_of_reject(record) for record in self.rejects()})


class Exposures(Impressions):
    """Impression files → `$exposure`s."""

    load_as = "exposure"

    @property
    def production(self) -> list[dict[str, Any]]:
        return [row for row in super().production if row["treatment"] != "control"]

    def place_of_event(self, event: dict[str, Any]) -> tuple[Any, ...]:
        properties = event["event_properties"]
        flag = properties.get("flag_key", properties.get("[Experiment] Flag Key"))
        return (
            event["user_id"],
            event["time"],
            flag,
            properties.get("variant", properties.get("[Experiment] Variant")),
        )


class UserProperties(Impressions):
    """Impressions → user properties."""

    load_as = "identify"
    paths = ("/identify", "/batch", "/2/httpapi")

    def compare(self) -> Compared:
        newest: dict[Any, Any] = {}
        values: dict[Any, set[Any]] = {}
        refused: Counter[Any] = Counter()
        for row in sorted(self.production, key=lambda row: row["time"]):
            if row["key"] in data.REFUSED_KEYS:
                refused[self.place_of(row)] += 1
            else:
                newest[row["key"], row["split"]] = row["treatment"]
                values.setdefault((row["key"], row["split"]), set()).add(row["treatment"])
        found = {
            (user["user_id"], name): value
            for user in self.sandbox.amplitude_users()
            for name, value in user["user_properties"].items()
        }
        rejected = {self.place_of_reject(record) for record in self.rejects()}
        properties = {(record["key"], record["split"]) for record in self.rejects()}
        # A resumed run does not know the values of the run before: what it reads later goes over what is newer by time.
        right = values if self.was_resumed else {place: {value} for place, value in newest.items()}
        wrong = sum(found.get(place) not in right[place] for place in newest if place not in properties)
        lost = wrong + sum(count for place, count in refused.items() if place not in rejected)
        return Compared(len(newest) + refused.total(), lost, len(found.keys() - newest.keys()), len(rejected))


class EventsToSplit(Pipeline):
    """Export API → Split's events."""

    paths = ("/api/2/export", "/api/events*")
    writes = ("rejects", "ledger", "spool")
    meltano = ("tap-amplitude", "target-split")

    def prepare(self) -> None:
        hour = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - timedelta(hours=HOURS + 5)
        self.rows = self.chance.sample(data.product_events(hour, HOURS), self.chance.randrange(50, 1_500))
        for row in self.chance.sample(self.rows, 2):
            row["user_id"] = "k" * TOO_LONG
        self.sandbox.put_export_rows(self.rows)
        settings = {
            "api_url": self.sandbox.url,
            "start_date": (hour - timedelta(hours=1)).isoformat(),
            "window_hours": self.chance.choice([1, 2, 24]),
            "max_parallel_windows": self.chance.choice([1, 2]),
            "spool_directory": str(self.place("spool")),
            **KEYS,
        }
        self.tap = ("tap-amplitude", settings, selection("events"))
        self.skips = self.chance.random() < SKIP_SHARE
        self.target = (
            "target-split",
            {
                "events_url": self.sandbox.url,
                "sdk_api_key": SPLIT_KEYS["sdk_api_key"],
                "ledger_path": str(self.place("ledger") / "ledger.sqlite"),
                "on_ambiguous": "skip" if self.skips else "resend",
                **self.delivery(),
            },
        )

    def compare(self) -> Compared:
        found = compare.stored_split_events(self.sandbox.split_events())
        known = compare.expected_split_events(self.rows)
        refused = Counter({place: count for place, count in known.items() if len(place[0]) == TOO_LONG})
        rejected = {
            next(iter(compare.expected_split_events([record]).elements()), None)
            for record in map(with_export_time, self.rejects())
        }
        return compared(known - refused, refused, found, rejected)


class CohortsToSegments(Pipeline):
    """Cohorts → segments."""

    paths = ("/api/3/cohorts", "/api/5/cohorts/*", "/internal/api/v2/*")
    meltano = ("tap-amplitude-cohorts", "target-split")

    def prepare(self) -> None:
        self.cohorts = {}
        for number in range(self.chance.randrange(1, 4)):
            members = self.chance.sample(data.cohort_members(), self.chance.randrange(5, 200))
            members[0] = members[0] | {"user_id": f"{number}" + "k" * TOO_LONG}
            self.cohorts[f"cohort{number}"] = members
            self.sandbox.put_cohort(id=f"cohort{number}", name=f"Cohort {number}", members=members)
        self.tap = (
            "tap-amplitude",
            {"api_url": self.sandbox.url, "cohort_names": ["*"], **KEYS},
            selection("cohorts", "cohort_members"),
        )
        settings = {
            "admin_url": self.sandbox.url,
            "admin_api_key": SPLIT_KEYS["admin_api_key"],
            "workspace_id": "ws-demo",
            "environment": "Production",
        }
        self.target = ("target-split", settings | self.delivery())

    def compare(self) -> Compared:
        members = Counter(
            (name, member["user_id"])
            for name, members in self.cohorts.items()
            for member in members
            if member["user_id"]
        )
        refused = Counter({place: count for place, count in members.items() if len(place[1]) > TOO_LONG})
        found: Counter[Any] = Counter()
        for segment in self.sandbox.split_segments():
            cohort = f"cohort{segment['name'][-1]}"
            found.update((cohort, key) for key in segment["keys"])
        rejected = {(record["cohort_id"], record["user_id"]) for record in self.rejects()}
        return compared(members - refused, refused, found, rejected)


class EventsToSplitInBatches(EventsToSplit):
    """The same in batch files."""

    def prepare(self) -> None:
        super().prepare()
        name, settings, catalog = self.tap
        storage = {"root": (self.folder / "batches").as_uri(), "prefix": "events-"}
        encoding = {"format": "jsonl", "compression": self.chance.choice(["gzip", "none"])}
        self.tap = (name, settings | {"batch_config": {"encoding": encoding, "storage": storage}}, catalog)


class CohortsToSegmentsInBatches(CohortsToSegments):
    """The same in batch files."""

    def prepare(self) -> None:
        super().prepare()
        name, settings, catalog = self.tap
        storage = {"root": (self.folder / "batches").as_uri(), "prefix": "members-"}
        encoding = {"format": "jsonl", "compression": "gzip"}
        self.tap = (name, settings | {"batch_config": {"encoding": encoding, "storage": storage}}, catalog)


PIPELINES: dict[str, type[Pipeline]] = {
    "impressions-as-events": Impressions,
    "impressions-as-exposures": Exposures,
    "impressions-as-user-properties": UserProperties,
    "events-to-split": EventsToSplit,
    "cohorts-to-segments": CohortsToSegments,
    "events-to-split-in-batches": EventsToSplitInBatches,
    "cohorts-to-segments-in-batches": CohortsToSegmentsInBatches,
}


@cache
def optional_settings(connector: str) -> list[str]:
    """Return the settings of a connector that may be left out."""
    command = [str(BIN / connector), "--about", "--format=json"]
    about = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)["settings"]
    return sorted(about["properties"].keys() - set(about.get("required", ())))


def with_export_time(record: dict[str, Any]) -> dict[str, Any]:
    """Return a rejected event of the tap with its time written as the Export API does."""
    moment = datetime.fromisoformat(record["event_time"])
    return record | {"event_time": moment.strftime("%Y-%m-%d %H:%M:%S.%f")}


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
