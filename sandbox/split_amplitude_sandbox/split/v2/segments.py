"""Segments of the Admin API v2, without their keys.

Sources: https://developer.harness.io/docs/feature-management-experimentation/api/segments and
https://docs.split.io/reference, "Segments".
"""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from split_amplitude_sandbox.answers import json_answer
from split_amplitude_sandbox.settings import Settings
from split_amplitude_sandbox.split.access import Access, Permission
from split_amplitude_sandbox.split.answers import RefusedError
from split_amplitude_sandbox.split.bodies import decoded
from split_amplitude_sandbox.split.paging import page
from split_amplitude_sandbox.split.segments import Segment, Segments, SegmentType
from split_amplitude_sandbox.split.settings import SplitSettings
from split_amplitude_sandbox.split.v2.lookups import BASE
from split_amplitude_sandbox.split.workspaces import Workspaces


class NewSegment(msgspec.Struct):
    """The body of a creation."""

    name: str
    description: str | None = None


class Target(NamedTuple):
    """A segment in an environment, and the token of the request."""

    environment: dict[str, Any]
    name: str
    token: str


class Targets:
    """Checks what the calls about segments have in common."""

    def __init__(self, access: Access, workspaces: Workspaces, segments: Segments) -> None:
        self._access = access
        self._workspaces = workspaces
        self._segments = segments

    def workspace(self, request: Request, permission: Permission) -> dict[str, Any]:
        """The workspace in the request's path."""
        self._access.v2(request, permission)
        return self._workspaces.workspace(request.path_params["workspace_id"])

    def environment(self, request: Request, permission: Permission) -> Target:
        """The environment in the request's path, with the segment's name, which may be unknown."""
        environment_id = request.path_params["environment_id"]
        token = self._access.v2(request, permission, environment_id)
        return Target(self._workspaces.environment(environment_id), request.path_params.get("name", ""), token)

    def active(self, request: Request, permission: Permission) -> Target:
        """The environment and the standard segment in the request's path; the segment is active there."""
        target = self.environment(request, permission)
        self._segments.of_workspace(target.environment["workspace_id"], target.name, "STANDARD")
        self._segments.definition(target.environment["id"], target.name)
        return target


class SegmentCalls:
    """The calls; `Segments` keeps what they are about."""

    def __init__(self, targets: Targets, segments: Segments, settings: Settings[SplitSettings]) -> None:
        self._targets = targets
        self._segments = segments
        self._settings = settings

    def routes(self) -> list[Route]:
        """The documented paths."""
        calls = [
            ("GET", "/segments/ws/{workspace_id}", self.standard),
            ("GET", "/large-segments/ws/{workspace_id}", self.large),
            ("GET", "/rule-based-segments/ws/{workspace_id}", self.rule_based),
            ("POST", "/segments/ws/{workspace_id}/trafficTypes/{traffic_type}", self.create),
            ("GET", "/segments/ws/{workspace_id}/environments/{environment_id}", self.active),
            ("GET", "/segments/ws/{workspace_id}/{name}", self.one),
            ("DELETE", "/segments/ws/{workspace_id}/{name}", self.delete),
            ("POST", "/segments/{environment_id}/{name}", self.activate),
            ("DELETE", "/segments/{environment_id}/{name}", self.deactivate),
        ]
        return [Route(BASE + path, endpoint, methods=[method]) for method, path, endpoint in calls]

    async def standard(self, request: Request) -> Response:
        """List a workspace's standard segments."""
        return self._listing(request, "STANDARD")

    async def large(self, request: Request) -> Response:
        """List a workspace's large segments."""
        return self._listing(request, "LARGE")

    async def rule_based(self, request: Request) -> Response:
        """List a workspace's rule-based segments."""
        return self._listing(request, "RULE_BASED")

    async def one(self, request: Request) -> Response:
        """Show one segment of a workspace."""
        workspace = self._targets.workspace(request, "segments:view")
        name = request.path_params["name"]
        return json_answer(_shown(self._segments.of_workspace(workspace["id"], name, "STANDARD")))

    async def create(self, request: Request) -> Response:
        """Create a segment in a workspace."""
        workspace = self._targets.workspace(request, "segments:edit")
        given = decoded(await request.body(), NewSegment)
        segment = Segment(
            name=given.name,
            description=given.description,
            workspace_id=workspace["id"],
            traffic_type=request.path_params["traffic_type"],
        )
        return json_answer(_shown(self._segments.create_new(segment)))

    async def delete(self, request: Request) -> Response:
        """Delete a segment from its workspace and from every environment."""
        workspace, name = self._targets.workspace(request, "segments:edit"), request.path_params["name"]
        self._segments.of_workspace(workspace["id"], name, "STANDARD")
        self._segments.delete(workspace["id"], name)
        return json_answer(body=True)

    async def active(self, request: Request) -> Response:
        """List the segments that are active in an environment."""
        workspace = self._targets.workspace(request, "segments:view")
        environment = self._targets.environment(request, "segments:view").environment
        found = [
            _shown(self._segments.of_workspace(workspace["id"], one["name"], "STANDARD"))
            | {"environment": reference(environment)}
            for one in self._segments.definitions(environment["id"])
        ]
        return json_answer(page(request, found, self._settings.current))

    async def activate(self, request: Request) -> Response:
        """Activate a segment in an environment."""
        environment, name, _ = self._targets.environment(request, "segments:edit")
        segment = self._segments.of_workspace(environment["workspace_id"], name, "STANDARD")
        if self._segments.is_active(environment["id"], name):
            raise RefusedError(409, "Segment is already active in this environment")
        self._segments.activate(environment, name)
        return json_answer(
            {
                "name": name,
                "environment": reference(environment),
                "trafficType": segment["traffic_type"],
                "creationTime": segment["creation_time"],
            }
        )

    async def deactivate(self, request: Request) -> Response:
        """Remove a segment from an environment; it must be empty."""
        environment, name, _ = self._targets.active(request, "segments:edit")
        if self._segments.keys.count(environment["id"], name):
            raise RefusedError(400, "Segment must be empty before it is deactivated")
        self._segments.deactivate(environment["id"], name)
        return json_answer(body=True)

    def _listing(self, request: Request, segment_type: SegmentType) -> Response:
        workspace = self._targets.workspace(request, "segments:view")
        found = [_shown(one) for one in self._segments.all_of_workspace(workspace["id"], segment_type)]
        return json_answer(page(request, found, self._settings.current))


def reference(environment: dict[str, Any]) -> dict[str, Any]:
    """An environment as other objects name it: `{id, name}`."""
    return {"id": environment["id"], "name": environment["name"]}


def _shown(segment: dict[str, Any]) -> dict[str, Any]:
    """A segment of a workspace as the API shows it."""
    return {
        "name": segment["name"],
        "description": segment["description"],
        "trafficType": segment["traffic_type"],
        "creationTime": segment["creation_time"],
        "tags": [{"name": tag} for tag in segment["tags"]] or None,
    }
