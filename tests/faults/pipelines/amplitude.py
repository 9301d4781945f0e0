"""Amplitude's exported events into Split or Amplitude, and its cohorts into Split; as records and in batch files."""

from __future__ import annotations

import json
import random
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

from demo import compare, data
from faults.intake import LateIntake
from faults.pipelines.base import KEYS, SPLIT_KEYS, TOO_LONG, Compared, Pipeline, compared, selection

HOURS = 4
# So long after the first hours, at the least, the tap reads none but them.
LAG_HOURS = 3
SKIP_SHARE = 0.3
LONG_SHARE, LONG_LIST = 0.15, 20_000
POLLED_SHARE = DAMAGED_SHARE = 0.1
FOREIGN_SHARE = 0.15


class EventsToSplit(Pipeline):
    """Export API → Split's events."""

    paths = ("/api/2/export", "/api/events*")
    writes = ("rejects", "ledger", "spool")
    meltano = ("tap-amplitude", "target-split")
    newest_hours_ago = 5

    def prepare(self) -> None:
        this_hour = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
        hour = this_hour - timedelta(hours=HOURS + self.newest_hours_ago)
        self.rows = self.chance.sample(data.product_events(hour, HOURS), self.chance.randrange(50, 1_500))
        for row in self.chance.sample(self.rows, 2):
            self.spoil(row)
        self.hour = hour
        self.bring_in()
        self.target = self.loader()

    def loader(self) -> tuple[str, dict[str, Any]]:
        """Return name and settings of the target."""
        self.skips = self.chance.random() < SKIP_SHARE
        settings = {
            "events_url": self.sandbox.url,
            "sdk_api_key": SPLIT_KEYS["sdk_api_key"],
            "ledger_path": str(self.place("ledger") / "ledger.sqlite"),
            "on_ambiguous": "skip" if self.skips else "resend",
        }
        return "target-split", settings | self.delivery()

    def spoil(self, row: dict[str, Any]) -> None:
        """Make a row one that the service refuses."""
        row["user_id"] = "k" * TOO_LONG

    def bring_in(self) -> None:
        """Put the events where the tap reads them, and set the tap up."""
        late = self.newest_hour() if self.clock else []
        self.sandbox.put_export_rows([row for row in self.rows if row not in late])
        if self.chance.random() < FOREIGN_SHARE:
            self.sandbox.put_export_entries(foreign_entries(self.hour, self.chance))
            self.disturbances.append("foreign entries in archives")
        settings = {
            "api_url": self.sandbox.url,
            "start_date": (self.hour - timedelta(hours=1)).isoformat(),
            "window_hours": self.chance.choice([1, 2, 24]),
            "max_parallel_windows": self.chance.choice([1, 2]),
            "spool_directory": str(self.place("spool")),
            **KEYS,
        }
        self.tap = ("tap-amplitude", settings, selection("events"))
        if self.clock:
            # An hour that is too new as long as the clock jumps: no wrong clock may let the tap pass it.
            self.tap[1]["lag_hours"] = self.newest_hours_ago + LAG_HOURS
            self.intake = LateIntake(lambda: self.bring_later(late))

    def newest_hour(self) -> list[dict[str, Any]]:
        """Return the rows of the last hour."""
        begins = (self.hour + timedelta(hours=HOURS - 1)).strftime("%Y-%m-%d %H")
        return [row for row in self.rows if row["server_upload_time"].startswith(begins)]

    def bring_later(self, rows: list[dict[str, Any]]) -> None:
        """Let the newest hour be old enough."""
        self.sandbox.put_export_rows(rows)
        del self.tap[1]["lag_hours"]

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
            self.cohorts[f"cohort{number}"] = members = self.members_of(number)
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

    def members_of(self, number: int) -> list[dict[str, Any]]:
        """Return the members of a cohort; one has an id that cannot become a key."""
        members = self.chance.sample(data.cohort_members(), self.chance.randrange(5, 200))
        members[0] = members[0] | {"user_id": f"{number}" + "k" * TOO_LONG}
        return members

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
        self.write_batches("events-", self.chance.choice(["gzip", "none"]))


class CohortsToSegmentsInBatches(CohortsToSegments):
    """The same in batch files, and some lists so long that a signal meets a file that is read."""

    writes_batches = True

    def members_of(self, number: int) -> list[dict[str, Any]]:
        members = super().members_of(number)
        if self.chance.random() < LONG_SHARE:
            members += [{"amplitude_id": id_, "user_id": f"many-{id_}"} for id_ in range(LONG_LIST)]
        return members


class EventsToAmplitudeInBatches(EventsToSplit):
    """Export API of one project → the ingestion API of another, in batch files."""

    paths = ("/api/2/export", "/batch", "/2/httpapi")
    writes = ("rejects", "spool")
    meltano = ("tap-amplitude", "target-amplitude")
    # The sandbox is both projects: what arrives counts as uploaded later than all that is read.
    newest_hours_ago = 8

    def prepare(self) -> None:
        super().prepare()
        self.tap[1]["end_date"] = (self.hour + timedelta(hours=HOURS)).isoformat()
        self.write_batches("events-", self.chance.choice(["gzip", "none"]))

    def loader(self) -> tuple[str, dict[str, Any]]:
        settings = {
            "api_url": self.sandbox.url,
            "api_key": KEYS["api_key"],
            "endpoint": self.chance.choice(["batch", "http"]),
            "compression": self.chance.choice(["auto", "gzip"]),
            # With the event's own id, or one that the target derives.
            "mappings": {"events": {"time": "event_time"} | self.chance.choice([{}, {"insert_id": "$insert_id"}])},
        }
        return "target-amplitude", settings | self.delivery()

    def spoil(self, row: dict[str, Any]) -> None:
        row |= {"user_id": data.REFUSED_KEYS[0], "device_id": None}

    def compare(self) -> Compared:
        good, refused = Counter(), Counter()
        for row in self.rows:
            (refused if row["user_id"] in data.REFUSED_KEYS else good)[place_of_row(row)] += 1
        found = Counter(place_of_event(event) for event in self.sandbox.amplitude_events())
        return compared(good, refused, found, {place_of_row(with_export_time(record)) for record in self.rejects()})


def foreign_entries(hour: datetime, chance: random.Random) -> dict[str, str]:
    """Return some entries that Amplitude does not write, name -> content."""
    exported = f"100042_{hour:%Y-%m-%d}_{hour.hour}#7.json"
    entries = {
        "100042/": "",
        f"100042/{exported}.gz": "",
        "__MACOSX/": "",
        f"__MACOSX/100042/._{exported}.gz": "\0\5\x16\7",
        "100042/.DS_Store": "\0\0\0\1Bud1",
        "100042/notes.json": '{"to": "whom it may concern"}',
        "manifest.json": '{\n  "files": [\n    "100042"\n  ]\n}\n',
        "README.txt": "Exported by somebody.",
    }
    names = chance.sample(sorted(entries), chance.randrange(1, len(entries) + 1))
    return {name: entries[name] for name in names}


def place_of_row(row: dict[str, Any]) -> tuple[Any, ...]:
    """Return what tells an exported event, and says what of it must arrive."""
    return (compare.milliseconds(row["event_time"]), *content_of(row))


def place_of_event(event: dict[str, Any]) -> tuple[Any, ...]:
    """Return the same of an event that Amplitude holds."""
    return (event["time"], *content_of(event))


def content_of(event: dict[str, Any]) -> tuple[Any, ...]:
    """Return what exported and ingested events call the same."""
    texts = (json.dumps(event.get(name), sort_keys=True) for name in ("event_properties", "user_properties"))
    return (event["event_id"], event.get("user_id"), event.get("device_id"), event["event_type"], *texts)


def with_export_time(record: dict[str, Any]) -> dict[str, Any]:
    """Return a rejected event of the tap with its time written as the Export API does."""
    moment = datetime.fromisoformat(record["event_time"])
    return record | {"event_time": moment.strftime("%Y-%m-%d %H:%M:%S.%f")}
