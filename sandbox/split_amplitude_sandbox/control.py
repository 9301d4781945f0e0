"""The sandbox's own API below `/_sandbox`: plan failures, plant data, ask what was stored."""

from __future__ import annotations

from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from split_amplitude_sandbox.amplitude.annotations import Annotations
from split_amplitude_sandbox.amplitude.cohorts import Cohorts
from split_amplitude_sandbox.amplitude.export import Export
from split_amplitude_sandbox.amplitude.taxonomy import Taxonomy
from split_amplitude_sandbox.answers import json_answer, lines_answer
from split_amplitude_sandbox.faults import Faults
from split_amplitude_sandbox.planting import BASE, Endpoint, planting
from split_amplitude_sandbox.split.service import Split
from split_amplitude_sandbox.store import Store


class Control:
    """Everything that the real services do not have."""

    def __init__(  # noqa: PLR0913 - it reaches every part
        self,
        *,
        store: Store,
        faults: Faults,
        requests: list[dict[str, Any]],
        split: Split,
        export: Export,
        cohorts: Cohorts,
        taxonomy: Taxonomy,
        annotations: Annotations,
    ) -> None:
        self._store = store
        self._faults = faults
        self._requests = requests
        self._split = split
        self._export = export
        self._cohorts = cohorts
        self._taxonomy = taxonomy
        self._annotations = annotations

    def routes(self) -> list[Route]:
        """All addresses; the README describes each."""
        calls: list[tuple[str, str, Endpoint]] = [
            ("DELETE", "", self.reset),
            ("GET", "/requests", self.requests),
            ("GET", "/faults", self.faults),
            ("POST", "/faults", planting(self._faults.add)),
            ("DELETE", "/faults", self.forget_faults),
            ("GET", "/amplitude/events", self.amplitude_events),
            ("GET", "/amplitude/users", self.amplitude_users),
            ("GET", "/amplitude/identifications", self.amplitude_identifications),
            ("POST", "/amplitude/export-rows", planting(self._export.put)),
            ("POST", "/amplitude/cohorts", planting(self._cohorts.put)),
            ("POST", "/amplitude/taxonomy", planting(self._taxonomy.put)),
            ("POST", "/amplitude/annotations", planting(self._annotations.put)),
        ]
        return [Route(BASE + path, endpoint, methods=[method]) for method, path, endpoint in calls]

    async def reset(self, _: Request) -> Response:
        """Forget all data, faults and requests; the seeded workspace comes back."""
        self._store.clear()
        self._faults.clear()
        self._requests.clear()
        self._split.reset()
        return json_answer({})

    async def requests(self, _: Request) -> Response:
        """The requests that came to the services, in order."""
        return json_answer(self._requests)

    async def faults(self, _: Request) -> Response:
        """The planned failures."""
        return json_answer(self._faults.listing())

    async def forget_faults(self, _: Request) -> Response:
        """Forget the planned failures."""
        self._faults.clear()
        return json_answer([])

    async def amplitude_events(self, _: Request) -> Response:
        """Amplitude's events as they were sent, with what Amplitude added, one a line."""
        rows = self._store.database.execute(
            "SELECT event, uuid, amplitude_id, upload_ms FROM amplitude_events WHERE event IS NOT NULL ORDER BY number"
        )
        return lines_answer(
            msgspec.json.encode(
                msgspec.json.decode(event)
                | {"uuid": uuid, "amplitude_id": amplitude_id, "server_upload_time": upload_ms}
            )
            for event, uuid, amplitude_id, upload_ms in rows
        )

    async def amplitude_users(self, _: Request) -> Response:
        """Amplitude's users with their properties as they resulted."""
        rows = self._store.database.execute(
            "SELECT amplitude_id, user_id, device_id, properties FROM amplitude_users ORDER BY amplitude_id"
        )
        return json_answer(
            [
                {
                    "amplitude_id": amplitude_id,
                    "user_id": user_id,
                    "device_id": device_id,
                    "user_properties": msgspec.Raw(properties),
                }
                for amplitude_id, user_id, device_id, properties in rows
            ]
        )

    async def amplitude_identifications(self, _: Request) -> Response:
        """What came to `/identify` and `/groupidentify`, as it was sent."""
        rows = self._store.database.execute("SELECT identification FROM amplitude_identifications ORDER BY number")
        return json_answer([msgspec.Raw(identification) for (identification,) in rows])
