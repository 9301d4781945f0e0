"""Amplitude's other routes into Split: exported files, streamed events, and cohort changes that it pushes."""

from __future__ import annotations

import json
import time
from types import MappingProxyType
from typing import Any

from demo import data
from faults.exporter import Exporter
from faults.intake import Request
from faults.pipelines.amplitude import CohortsToSegments, EventsToSplit
from faults.pipelines.base import KEYS, selection

RECEIVER = "tap-amplitude-webhook"
MAX_STREAMED = 400
REPEATED_SHARE = 0.1
# How long the requests to a receiver take altogether, so that several attempts meet them.
INTAKE_SECONDS = 2.0
USERS_PER_MESSAGE = 20
# Of a cohort, from one computation to the next.
LEAVING_SHARE = 0.15
STEP_SECONDS = 120
REORDERED = "requests repeated and out of order"
STREAMS = ("cohorts", "cohort_members", "cohort_changes")
SELECTED = json.dumps([f"{stream}.*" for stream in STREAMS])

Member = dict[str, Any]


class FilesToSplit(EventsToSplit):
    """Exported files in a folder → Split's events, while files come late, half first, or with other rows again."""

    paths = ("/api/events*",)
    writes: tuple[str, ...] = ("rejects", "ledger")

    def bring_in(self) -> None:
        self.tap = self.folder_tap("events")
        self.intake = Exporter(self.rows, self.folder / "amplitude", self.folder, self.chance)

    def folder_tap(self, *streams: str) -> Any:
        """Return the tap that reads the folder."""
        settings = {"api_url": self.sandbox.url, "path": str(self.place("receiver") / "amplitude"), **KEYS}
        return ("tap-amplitude", settings, selection(*streams))


class StreamedEventsToSplit(FilesToSplit):
    """Streamed events, one a request, repeated and out of order → receiver → Split's events."""

    writes = ("rejects", "ledger", "receiver")

    def bring_in(self) -> None:
        del self.rows[MAX_STREAMED:]
        self.tap = self.folder_tap("events")
        has_uuid = self.chance.random() < 0.5
        bodies = [json.dumps(streamed(row, has_uuid=has_uuid)).encode() for row in self.rows]
        bodies += self.chance.sample(bodies, int(len(bodies) * REPEATED_SHARE))
        self.chance.shuffle(bodies)
        self.disturbances.append(REORDERED)
        folder = self.place("receiver") / "amplitude"
        folder.mkdir()
        self.intake = self.receiver_intake(RECEIVER, folder, paced(bodies))


class CohortChangesToSegments(CohortsToSegments):
    """Cohort changes that Amplitude pushes, repeated and out of order, and full lists alongside → segments."""

    writes = ("rejects", "ledger", "receiver")
    meltano_settings = MappingProxyType(
        {"TAP_AMPLITUDE_COHORTS__SELECT": json.dumps([f"{name}.*" for name in STREAMS])}
    )

    def prepare(self) -> None:
        super().prepare()
        bodies: list[bytes] = []
        began = int(time.time()) - 1_800
        for cohort_id, members in self.cohorts.items():
            lists = self.history(members)
            self.cohorts[cohort_id] = lists[-1]
            # The full list is the first one, or as new as the last push.
            known = self.chance.choice([0, len(lists) - 1])
            name = f"Cohort {cohort_id[-1]}"
            self.sandbox.put_cohort(
                id=cohort_id,
                name=name,
                members=lists[known],
                last_computed=began + known * STEP_SECONDS,
                **self.download(),
            )
            for number, (before, now) in enumerate(zip([[], *lists], lists, strict=False)):
                computed = began + number * STEP_SECONDS
                bodies += self.messages(cohort_id, name, computed, before, now)
        bodies += self.chance.sample(bodies, int(len(bodies) * REPEATED_SHARE))
        self.chance.shuffle(bodies)
        self.disturbances.append(REORDERED)
        folder = self.place("receiver") / "amplitude"
        folder.mkdir()
        name, settings, _ = self.tap
        self.tap = (name, settings | {"path": str(folder)}, selection(*STREAMS))
        self.target[1]["ledger_path"] = str(self.place("ledger") / "ledger.sqlite")
        self.intake = self.receiver_intake(RECEIVER, folder, paced(bodies))

    def history(self, members: list[Member]) -> list[list[Member]]:
        """Return a cohort's list each time it is computed; some members leave, some of them for a while."""
        lists = [members]
        everybody = data.cohort_members()
        for _ in range(self.chance.randrange(1, 5)):
            staying = [one for one in lists[-1] if self.chance.random() > LEAVING_SHARE]
            ids = {one["amplitude_id"] for one in staying}
            entering = [one for one in self.chance.sample(everybody, 20) if one["amplitude_id"] not in ids]
            lists.append(staying + entering)
        return lists

    def messages(
        self, cohort_id: str, name: str, computed: int, before: list[Member], now: list[Member]
    ) -> list[bytes]:
        """Return the messages about what changed from one list to the next."""
        bodies = []
        for is_added, some, others in ((True, now, before), (False, before, now)):
            others_ids = {one["user_id"] for one in others}
            users = [{"user_id": one["user_id"]} for one in some if one["user_id"] not in others_ids]
            for start in range(0, len(users), USERS_PER_MESSAGE):
                message = {
                    "cohort_name": name,
                    "cohort_id": cohort_id,
                    "in_cohort": is_added,
                    "computed_time": str(computed),
                    "message_id": f"{cohort_id}-{computed}::{is_added}::{start}",
                    "users": users[start : start + USERS_PER_MESSAGE],
                }
                bodies.append(json.dumps(message).encode())
        return bodies


def streamed(row: dict[str, Any], *, has_uuid: bool) -> dict[str, Any]:
    """Return an exported event as it is streamed: user properties are texts, and perhaps there is no `uuid`."""
    texts = {
        name: value if isinstance(value, str) else json.dumps(value) for name, value in row["user_properties"].items()
    }
    kept = {name: value for name, value in row.items() if has_uuid or name != "uuid"}
    return kept | {"user_properties": texts}


def paced(bodies: list[bytes]) -> list[Request]:
    """Return requests that come one after the other, over a while."""
    return [Request(body, INTAKE_SECONDS / len(bodies)) for body in bodies]
