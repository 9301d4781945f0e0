"""Cohort syncs as files in a bucket: `entering`, `exiting` and `existing`.

Source: https://amplitude.com/docs/data/destination-catalog/amazon-s3-cohort. The page contradicts itself about
`existing`, which is a choice of the caller, and about the time in the names.
"""

from __future__ import annotations

import asyncio
import csv
import io
from typing import Any, Literal

import msgspec

from split_amplitude_sandbox.amplitude.export_row import PROJECT_ID
from split_amplitude_sandbox.amplitude.routes.sync import Member, finish_sync, next_sync
from split_amplitude_sandbox.amplitude.routes.targets import Folder
from split_amplitude_sandbox.amplitude.services import Services
from split_amplitude_sandbox.calls import OWN, Calls, call, pushing
from split_amplitude_sandbox.clock import from_ms

TIME_FORMAT = "%Y-%m-%dT%H-%M-%S"
ROUTING_KEY = "0"


class CohortSync(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """What `POST /_sandbox/amplitude/write-cohort` takes; the README of the sandbox describes each member."""

    cohort_id: str
    path: str
    storage_options: dict[str, Any] = {}
    computed_time: int | None = None
    existing: Literal["previous", "current"] = "previous"
    columns: tuple[str, str] = ("amplitudeID", "userID")
    user_property: str | None = None


class CohortFiles(Calls[Services]):
    """Writes what changed since the last sync to the same folder."""

    @call("POST", f"{OWN}/amplitude/write-cohort", pushing)
    async def write(self, body: bytes) -> dict[str, Any]:
        """Write the three files of one sync.

        Raises:
            ValueError: a member is wrong, the cohort does not exist, or the path leaves this machine.
        """
        order = msgspec.json.decode(body, type=CohortSync)
        target = Folder(order.path, order.storage_options)
        difference = next_sync(self._services.store, order.path, order.cohort_id, order.computed_time)
        current = difference.cohort.get("members", [])
        lists = {
            "entering": difference.entering,
            "exiting": difference.exiting,
            "existing": current if order.existing == "current" else difference.previous,
        }
        moment = from_ms(difference.computed_time * 1000).strftime(TIME_FORMAT)
        files = {
            f"{PROJECT_ID}_{order.cohort_id}_{moment}_{kind}_{ROUTING_KEY}.csv": _table(order, members)
            for kind, members in lists.items()
        }
        for name, content in files.items():
            await asyncio.to_thread(target.write, name, content.encode())
        finish_sync(self._services.store, order.path, difference)
        changes = len(difference.entering) + len(difference.exiting)
        self._services.log.add("cohort files", order.path, changes, delivered=True)
        return {"files": list(files)} | {kind: len(members) for kind, members in lists.items()}


def _table(order: CohortSync, members: list[Member]) -> str:
    lines = io.StringIO()
    writer = csv.writer(lines, lineterminator="\n")
    names = [order.user_property] if order.user_property else []
    writer.writerow([*order.columns, *(["userProperty"] if names else [])])
    for member in members:
        user_id = member.get("user_id", member.get("group_value"))
        writer.writerow([member.get("amplitude_id"), user_id, *(member.get(name) for name in names)])
    return lines.getvalue()
