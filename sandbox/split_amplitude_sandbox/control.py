"""The sandbox's own API below `/_sandbox`: plan failures, plant data, ask what was stored."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
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
from split_amplitude_sandbox.split.segments import Segment, Segments
from split_amplitude_sandbox.split.workspace import (
    Environment,
    FeatureFlag,
    TrafficType,
    Workspace,
    Workspaces,
)
from split_amplitude_sandbox.store import Store

BASE = "/_sandbox"
Endpoint = Callable[[Request], Awaitable[Response]]


class Control:
    """Everything that the real services do not have."""

    def __init__(  # noqa: PLR0913 - it reaches every part
        self,
        *,
        store: Store,
        faults: Faults,
        requests: list[dict[str, Any]],
        workspaces: Workspaces,
        segments: Segments,
        export: Export,
        cohorts: Cohorts,
        taxonomy: Taxonomy,
        annotations: Annotations,
    ) -> None:
        self._store = store
        self._faults = faults
        self._requests = requests
        self._workspaces = workspaces
        self._segments = segments
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
            ("POST", "/faults", self._planting(self._faults.add)),
            ("DELETE", "/faults", self.forget_faults),
            ("GET", "/amplitude/events", self.amplitude_events),
            ("GET", "/amplitude/users", self.amplitude_users),
            ("GET", "/amplitude/identifications", self.amplitude_identifications),
            ("POST", "/amplitude/export-rows", self._planting(self._export.put)),
            ("POST", "/amplitude/cohorts", self._planting(self._cohorts.put)),
            ("POST", "/amplitude/taxonomy", self._planting(self._taxonomy.put)),
            ("POST", "/amplitude/annotations", self._planting(self._annotations.put)),
            ("GET", "/split/events", self.split_events),
            ("GET", "/split/segments", self.split_segments),
            ("POST", "/split/workspaces", self._planting_of(Workspace, self._workspaces.put_workspaces)),
            ("POST", "/split/environments", self._planting_of(Environment, self._workspaces.put_environments)),
            ("POST", "/split/traffic-types", self._planting_of(TrafficType, self._workspaces.put_traffic_types)),
            ("POST", "/split/feature-flags", self._planting_of(FeatureFlag, self._workspaces.put_flags)),
            ("POST", "/split/segments", self._planting_of(Segment, self._segments.put)),
        ]
        return [Route(BASE + path, endpoint, methods=[method]) for method, path, endpoint in calls]

    async def reset(self, _: Request) -> Response:
        """Forget all data, faults and requests; the seeded workspace comes back."""
        self._store.clear()
        self._faults.clear()
        self._requests.clear()
        self._workspaces.seed()
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

    async def split_events(self, _: Request) -> Response:
        """Split's events as they were sent, duplicates and all, one a line."""
        rows = self._store.database.execute("SELECT event FROM split_events ORDER BY number")
        return lines_answer(event for (event,) in rows)

    async def split_segments(self, _: Request) -> Response:
        """Split's segments with all their keys."""
        return json_answer(self._segments.dump())

    def _planting(self, put: Callable[[bytes], int]) -> Endpoint:
        """An address that takes data for one of the services."""

        async def plant(request: Request) -> Response:
            try:
                return json_answer({"stored": put(await request.body())})
            except (ValueError, msgspec.MsgspecError) as error:
                return json_answer({"error": str(error)}, 400)

        return plant

    def _planting_of(self, kind: type[Any], put: Callable[[list[Any]], None]) -> Endpoint:
        """An address that takes a list of objects of a kind."""

        def put_all(body: bytes) -> int:
            given: list[Any] = msgspec.json.decode(body, type=list[kind])  # type: ignore[valid-type]
            put(given)
            return len(given)

        return self._planting(put_all)
