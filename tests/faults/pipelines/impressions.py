"""Impressions, from files or through the receiver, into Amplitude in each of the three ways."""

from __future__ import annotations

import gzip
import itertools
import json
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from demo import data
from faults.intake import LateIntake, Request
from faults.pipelines.base import KEYS, Compared, Pipeline, compared

RECEIVER = "tap-split-impressions-webhook"
RECEIVER_SHARE = 0.35
REPEATED_SHARE = 0.05
KEPT_TIMES_SHARE = 0.75


class Impressions(Pipeline):
    """Impressions, from files or through the receiver → Amplitude, in one of the three ways.

    Attributes:
        comes_as_it_happened: Whether the input is files in order of time, without repeats.
    """

    load_as = "event"
    paths = ("/batch", "/2/httpapi")
    writes = ("rejects", "receiver")
    meltano = ("tap-split-impressions", "target-amplitude")

    comes_as_it_happened = False

    def prepare(self) -> None:
        self.rows = data.impressions(datetime.now(UTC))[: self.chance.randrange(50, 1_500)]
        through_receiver = self.full == "receiver" or self.chance.random() < RECEIVER_SHARE
        through_receiver &= not self.comes_as_it_happened
        source = self.place("receiver") / "impressions"
        if through_receiver:
            self.intake = self.receiver_intake(RECEIVER, source, self.requests())
        else:
            source.mkdir()
            late = self.late_rows()
            self.write_files(source, [row for row in self.rows if row not in late])
            if late:
                self.intake = LateIntake(lambda: self.write_files(source, late))
            if not self.comes_as_it_happened:
                self.disturbances.append("records late and twice")
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
            "compression": self.chance.choice(["auto", "gzip"]),
        }
        self.target = ("target-amplitude", settings | self.delivery())

    def requests(self) -> list[Request]:
        """Return batches of random size as Split's webhook posts them; some come twice, as Split repeats some."""
        waiting, requests = list(self.rows), []
        while waiting:
            size = self.chance.randrange(1, 120)
            body = gzip.compress(json.dumps(waiting[:size]).encode())
            del waiting[:size]
            requests += [Request(body)] * (2 if self.chance.random() < REPEATED_SHARE else 1)
        return requests

    def late_rows(self) -> list[dict[str, Any]]:
        """Return the impressions that come after the last jump of the clock, if it jumps at all."""
        if not self.clock:
            return []
        count = len(self.rows) // 4
        return self.rows[-count:] if self.comes_as_it_happened else self.chance.sample(self.rows, count)

    def write_files(self, folder: Path, rows: list[dict[str, Any]]) -> None:
        """Write impressions into a few files of random size, some gzipped, some rows again at the end."""
        late = [] if self.comes_as_it_happened else self.chance.sample(rows, len(rows) // 20)
        waiting = rows + late
        for number in itertools.count():
            if not waiting:
                return
            size = self.chance.randrange(1, 400)
            body = "".join(json.dumps(row) + "\n" for row in waiting[:size]).encode()
            del waiting[:size]
            # Files that arrive within a tick of the disk's clock are read in order of their names.
            first = number if self.comes_as_it_happened else self.chance.getrandbits(16)
            name = f"{first:04x}-{self.chance.getrandbits(16):04x}.jsonl"
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
    """Impressions → user properties: of each the newest value by time.

    With the times of earlier runs kept, in whatever order impressions come; else only when they come as they happened.
    """

    load_as = "identify"
    paths = ("/identify", "/batch", "/2/httpapi")
    writes = ("rejects", "receiver", "property times")

    def prepare(self) -> None:
        keeps_times = self.full in ("receiver", "property times") or self.chance.random() < KEPT_TIMES_SHARE
        self.comes_as_it_happened = not keeps_times
        super().prepare()
        if keeps_times:
            self.target[1]["property_times_path"] = str(self.place("property times") / "times.sqlite")

    def compare(self) -> Compared:
        newest: dict[Any, Any] = {}
        refused: Counter[Any] = Counter()
        for row in sorted(self.production, key=lambda row: row["time"]):
            if row["key"] in data.REFUSED_KEYS:
                refused[self.place_of(row)] += 1
            else:
                newest[row["key"], row["split"]] = row["treatment"]
        found = {
            (user["user_id"], name): value
            for user in self.sandbox.amplitude_users()
            for name, value in user["user_properties"].items()
        }
        rejected = {self.place_of_reject(record) for record in self.rejects()}
        properties = {(record["key"], record["split"]) for record in self.rejects()}
        wrong = sum(found.get(place) != value for place, value in newest.items() if place not in properties)
        lost = wrong + sum(count for place, count in refused.items() if place not in rejected)
        return Compared(len(newest) + refused.total(), lost, len(found.keys() - newest.keys()), len(rejected))
