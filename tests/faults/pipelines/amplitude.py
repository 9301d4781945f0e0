"""Amplitude's exported events and cohorts into Split, as records and in batch files."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

from demo import compare, data
from faults.pipelines.base import KEYS, SPLIT_KEYS, TOO_LONG, Compared, Pipeline, compared, selection

HOURS = 3
SKIP_SHARE = 0.3
POLLED_SHARE = DAMAGED_SHARE = 0.1


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
        self.hour = hour
        self.bring_in()
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

    def bring_in(self) -> None:
        """Put the events where the tap reads them, and set the tap up."""
        self.sandbox.put_export_rows(self.rows)
        settings = {
            "api_url": self.sandbox.url,
            "start_date": (self.hour - timedelta(hours=1)).isoformat(),
            "window_hours": self.chance.choice([1, 2, 24]),
            "max_parallel_windows": self.chance.choice([1, 2]),
            "spool_directory": str(self.place("spool")),
            **KEYS,
        }
        self.tap = ("tap-amplitude", settings, selection("events"))

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
    """Cohorts → segments. Few lists let the tap wait: each time takes it seconds."""

    paths = ("/api/3/cohorts", "/api/5/cohorts/*", "/internal/api/v2/*")
    meltano = ("tap-amplitude-cohorts", "target-split")

    def prepare(self) -> None:
        self.cohorts = {}
        for number in range(self.chance.randrange(1, 4)):
            members = self.chance.sample(data.cohort_members(), self.chance.randrange(5, 200))
            members[0] = members[0] | {"user_id": f"{number}" + "k" * TOO_LONG}
            self.cohorts[f"cohort{number}"] = members
            self.sandbox.put_cohort(id=f"cohort{number}", name=f"Cohort {number}", members=members, **self.download())
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

    def download(self) -> dict[str, int]:
        """Return how often the tap finds a list unfinished, and how often its download is damaged."""
        is_damaged = self.chance.random() < DAMAGED_SHARE
        if is_damaged:
            self.disturbances.append("damaged list of a cohort")
        return {"polls": int(self.chance.random() < POLLED_SHARE), "damaged_downloads": int(is_damaged)}

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


def with_export_time(record: dict[str, Any]) -> dict[str, Any]:
    """Return a rejected event of the tap with its time written as the Export API does."""
    moment = datetime.fromisoformat(record["event_time"])
    return record | {"event_time": moment.strftime("%Y-%m-%d %H:%M:%S.%f")}
