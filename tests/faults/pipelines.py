"""The pipelines of the campaign: what goes in, how they are set up, what must come out."""

from __future__ import annotations

import gzip
import json
import random
import signal
from collections import Counter
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from demo import compare, data
from support.sandbox import Sandbox

KEYS = {"api_key": "planted-secret-api", "secret_key": "planted-secret-read"}
SPLIT_KEYS = {"sdk_api_key": "planted-secret-sdk", "admin_api_key": "planted-secret-admin"}
PATIENCE_SECONDS = 4
HOURS = 3

Tap = tuple[str, dict[str, Any], dict[str, Any] | None]


class Pipeline:
    """A pipeline with its input prepared.

    Attributes:
        paths: Paths of the services that it uses, for faults.
        tap: Name, settings and catalog of the tap.
        target: Name and settings of the target.
    """

    paths: tuple[str, ...]
    tap: Tap
    target: tuple[str, dict[str, Any]]

    def __init__(self, sandbox: Sandbox, folder: Path, chance: random.Random) -> None:
        self.sandbox = sandbox
        self.folder = folder
        self.chance = chance
        self.prepare()

    def prepare(self) -> None:
        """Make the input, and the settings of both."""
        raise NotImplementedError

    def compare(self) -> tuple[int, int]:
        """Return how many records are missing and how many are too many."""
        raise NotImplementedError

    def rejected(self) -> int:
        """Return how many things were written to the rejects, repeats of other attempts left out."""
        path = self.folder / "rejects.jsonl"
        lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        records = {json.dumps(json.loads(line)["record"], sort_keys=True): None for line in lines}
        return sum(len(json.loads(text).get("user_properties", {}).get("$set", [1])) for text in records)

    def delivery(self) -> dict[str, Any]:
        """Settings that both targets have."""
        return {
            "patience_seconds": PATIENCE_SECONDS,
            "max_parallel_requests": self.chance.randrange(1, 5),
            "rejects_path": str(self.folder / "rejects.jsonl"),
        }


def counted(expected: Counter[Any], found: Counter[Any]) -> tuple[int, int]:
    """Return how much is missing and how much is too many."""
    lost, doubled = expected - found, found - expected
    return sum(lost.values()), sum(doubled.values())


class Impressions(Pipeline):
    """Impression files → Amplitude, in one of the three ways."""

    load_as = "event"
    paths = ("/batch",)

    def prepare(self) -> None:
        now = datetime.now(timezone.utc)
        rows = [row for row in data.impressions(now) if row["key"] not in data.REFUSED_KEYS]
        self.rows = rows[: self.chance.randrange(50, 1_500)]
        self.write_files(self.folder / "impressions")
        source = {"path": str(self.folder / "impressions"), "settle_seconds": 0, "environments": ["Production"]}
        self.tap = ("tap-split-impressions", source, None)
        settings = {"api_url": self.sandbox.url, "load_as": self.load_as, **KEYS, **self.delivery()}
        del settings["secret_key"]
        self.target = ("target-amplitude", settings)

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
        """What the tap's filter lets through."""
        return [row for row in self.rows if row["environmentName"] == "Production"]

    def compare(self) -> tuple[int, int]:
        found = Counter(
            (event["user_id"], event["time"], event["event_properties"].get("split_name"))
            for event in self.sandbox.amplitude_events()
        )
        return counted(Counter((row["key"], row["time"], row["split"]) for row in self.production), found)


class Exposures(Impressions):
    """Impression files → `$exposure`s."""

    load_as = "exposure"

    def compare(self) -> tuple[int, int]:
        found = Counter(place[1:3] for place in compare.stored_exposures(self.sandbox.amplitude_events()).elements())
        expected = Counter((row["key"], row["time"]) for row in self.production if row["treatment"] != "control")
        return counted(expected, found)


class UserProperties(Impressions):
    """Impression files → user properties."""

    load_as = "identify"
    paths = ("/identify", "/batch")

    def compare(self) -> tuple[int, int]:
        newest: dict[Any, Any] = {}
        for row in sorted(self.production, key=lambda row: row["time"]):
            newest[row["key"], row["split"]] = row["treatment"]
        found = Counter(
            (user["user_id"], name, value)
            for user in self.sandbox.amplitude_users()
            for name, value in user["user_properties"].items()
        )
        return counted(Counter((*place, value) for place, value in newest.items()), found)


class EventsToSplit(Pipeline):
    """Export API → Split's events."""

    paths = ("/api/2/export", "/api/events*")

    def prepare(self) -> None:
        hour = datetime.now(timezone.utc).replace(minute=0, second=0, microsecond=0) - timedelta(hours=HOURS + 5)
        self.rows = self.chance.sample(data.product_events(hour, HOURS), self.chance.randrange(50, 1_500))
        self.sandbox.put_export_rows(self.rows)
        settings = {
            "api_url": self.sandbox.url,
            "start_date": (hour - timedelta(hours=1)).isoformat(),
            "window_hours": self.chance.choice([1, 2, 24]),
            "max_parallel_windows": self.chance.choice([1, 2]),
            "spool_directory": str(self.folder),
            **KEYS,
        }
        self.tap = ("tap-amplitude", settings, selection("events"))
        self.target = (
            "target-split",
            {
                "events_url": self.sandbox.url,
                "sdk_api_key": SPLIT_KEYS["sdk_api_key"],
                "ledger_path": str(self.folder / "ledger.sqlite"),
                **self.delivery(),
            },
        )

    def compare(self) -> tuple[int, int]:
        found = compare.stored_split_events(self.sandbox.split_events())
        return counted(compare.expected_split_events(self.rows, []), found)


class CohortsToSegments(Pipeline):
    """Cohorts → segments."""

    paths = ("/api/3/cohorts", "/api/5/cohorts/*", "/internal/api/v2/*")

    def prepare(self) -> None:
        self.cohorts = {}
        for number in range(self.chance.randrange(1, 4)):
            members = self.chance.sample(data.cohort_members(), self.chance.randrange(5, 200))
            self.cohorts[f"cohort{number}"] = members
            self.sandbox.put_cohort(id=f"cohort{number}", name=f"Cohort {number}", members=members)
        self.tap = ("tap-amplitude", {"api_url": self.sandbox.url, **KEYS}, selection("cohorts", "cohort_members"))
        settings = {
            "admin_url": self.sandbox.url,
            "admin_api_key": SPLIT_KEYS["admin_api_key"],
            "workspace_id": "ws-demo",
            "environment": "Production",
        }
        self.target = ("target-split", settings | self.delivery())

    def compare(self) -> tuple[int, int]:
        expected = Counter(
            (name, member["user_id"])
            for name, members in self.cohorts.items()
            for member in members
            if member["user_id"]
        )
        found: Counter[Any] = Counter()
        for segment in self.sandbox.split_segments():
            cohort = f"cohort{segment['name'][-1]}"
            found.update((cohort, key) for key in segment["keys"])
        return counted(expected, found)


PIPELINES: dict[str, type[Pipeline]] = {
    "impressions-as-events": Impressions,
    "impressions-as-exposures": Exposures,
    "impressions-as-user-properties": UserProperties,
    "events-to-split": EventsToSplit,
    "cohorts-to-segments": CohortsToSegments,
}


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
