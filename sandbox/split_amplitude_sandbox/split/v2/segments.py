"""Segments of the Admin API v2, without their keys.

Sources: https://developer.harness.io/docs/feature-management-experimentation/api/segments and
https://docs.split.io/reference, "Segments".
"""

from __future__ import annotations

from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from split_amplitude_sandbox.answers import json_answer
from split_amplitude_sandbox.calls import call
from split_amplitude_sandbox.split.answers import RefusedError
from split_amplitude_sandbox.split.segments import Segment, SegmentType
from split_amplitude_sandbox.split.v2.calls import V2Calls, decoded, reference

TYPES: dict[str, SegmentType] = {
    "segments": "STANDARD",
    "large-segments": "LARGE",
    "rule-based-segments": "RULE_BASED",
}


class NewSegment(msgspec.Struct):
    """The body of a creation."""

    name: str
    description: str | None = None


class SegmentCalls(V2Calls):
    """The calls; `Segments` keeps what they are about."""

    @call("GET", "/segments/ws/{workspace_id}")
    @call("GET", "/large-segments/ws/{workspace_id}")
    @call("GET", "/rule-based-segments/ws/{workspace_id}")
    async def listing(self, request: Request) -> Response:
        """List the segments of one type in a workspace."""
        workspace = self._workspace(request, "segments:view")
        kind = TYPES[request.url.path.removeprefix(self.base).split("/")[1]]
        found = [_shown(one) for one in self._services.segments.all_of_workspace(workspace["id"], kind)]
        return self._page(request, found)

    @call("GET", "/segments/ws/{workspace_id}/{name}")
    async def one(self, request: Request) -> Response:
        """Show one segment of a workspace."""
        workspace = self._workspace(request, "segments:view")
        name = request.path_params["name"]
        return json_answer(_shown(self._services.segments.of_workspace(workspace["id"], name, "STANDARD")))

    @call("POST", "/segments/ws/{workspace_id}/trafficTypes/{traffic_type}")
    async def create(self, request: Request) -> Response:
        """Create a segment in a workspace."""
        workspace = self._workspace(request, "segments:edit")
        given = decoded(await request.body(), NewSegment)
        segment = Segment(
            name=given.name,
            description=given.description,
            workspace_id=workspace["id"],
            traffic_type=request.path_params["traffic_type"],
        )
        return json_answer(_shown(self._services.segments.create_new(segment)))

    @call("DELETE", "/segments/ws/{workspace_id}/{name}")
    async def delete(self, request: Request) -> Response:
        """Delete a segment from its workspace and from every environment."""
        workspace, name = self._workspace(request, "segments:edit"), request.path_params["name"]
        self._services.segments.of_workspace(workspace["id"], name, "STANDARD")
        self._services.segments.delete(workspace["id"], name)
        return json_answer(body=True)

    @call("GET", "/segments/ws/{workspace_id}/environments/{environment_id}")
    async def active(self, request: Request) -> Response:
        """List the segments that are active in an environment."""
        workspace = self._workspace(request, "segments:view")
        environment = self._target(request, "segments:view").environment
        found = [
            _shown(self._services.segments.of_workspace(workspace["id"], one["name"], "STANDARD"))
            | {"environment": reference(environment)}
            for one in self._services.segments.definitions(environment["id"])
        ]
        return self._page(request, found)

    @call("POST", "/segments/{environment_id}/{name}")
    async def activate(self, request: Request) -> Response:
        """Activate a segment in an environment."""
        environment, name, _ = self._target(request, "segments:edit")
        segment = self._services.segments.of_workspace(environment["workspace_id"], name, "STANDARD")
        if self._services.segments.is_active(environment["id"], name):
            raise RefusedError(409, "Segment is already active in this environment")
        self._services.segments.activate(environment, name)
        return json_answer(
            {
                "name": name,
                "environment": reference(environment),
                "trafficType": segment["traffic_type"],
                "creationTime": segment["creation_time"],
            }
        )

    @call("DELETE", "/segments/{environment_id}/{name}")
    async def deactivate(self, request: Request) -> Response:
        """Remove a segment from an environment; it must be empty."""
        environment, name, _ = self._active(request, "segments:edit")
        if self._services.segments.keys.count(environment["id"], name):
            raise RefusedError(400, "Segment must be empty before it is deactivated")
        self._services.segments.deactivate(environment["id"], name)
        return json_answer(body=True)


def _shown(segment: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": segment["name"],
        "description": segment["description"],
        "trafficType": segment["traffic_type"],
        "creationTime": segment["creation_time"],
        "tags": [{"name": tag} for tag in segment["tags"]] or None,
    }
