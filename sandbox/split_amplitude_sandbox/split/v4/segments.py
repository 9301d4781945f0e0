"""Segments and their definitions of the API v4: a segment belongs to the project, a definition to an environment.

Source: the vendor's clients (`harness/cli`, `harness/mcp-server`).
"""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import UNSET, UnsetType
from starlette.requests import Request
from starlette.responses import Response

from split_amplitude_sandbox.answers import json_answer
from split_amplitude_sandbox.calls import call
from split_amplitude_sandbox.split.access import Permission
from split_amplitude_sandbox.split.answers import RefusedError
from split_amplitude_sandbox.split.segments import Segment, SegmentType
from split_amplitude_sandbox.split.v4.calls import (
    MERGE_PATCH,
    V4Calls,
    body_of,
    deleted,
    required,
    seconds,
    written,
)

SEGMENT_TYPES: dict[str, SegmentType] = {"STANDARD": "STANDARD", "LARGE": "LARGE", "RULE_BASED": "RULE_BASED"}


class Tag(msgspec.Struct, forbid_unknown_fields=True):
    """A tag, by its name."""

    name: str


class NewSegment(msgspec.Struct, forbid_unknown_fields=True, rename="camel", kw_only=True):
    """The body of a creation; `traffic_type` is a name."""

    name: str
    traffic_type: str
    segment_type: SegmentType
    description: str | None = None
    tags: list[Tag] = []
    owners: list[dict[str, Any]] = []


class SegmentPatch(msgspec.Struct, forbid_unknown_fields=True):
    """The body of a change (RFC 7396): a member that is missing stays, null and [] clear it."""

    description: str | UnsetType | None = UNSET
    tags: list[Tag] | UnsetType | None = UNSET
    owners: list[dict[str, Any]] | UnsetType | None = UNSET


class DefinitionBody(msgspec.Struct, forbid_unknown_fields=True):
    """The body of an activation or of a change of a definition; `comment` and `title` are for the audit log."""

    description: str | UnsetType | None = UNSET
    comment: str | None = None
    title: str | None = None


class SegmentCalls(V4Calls):
    """The calls; `Segments` keeps what they are about."""

    @call("GET", "/segments")
    async def listing(self, request: Request) -> Response:
        """List the segments of one type; `status` chooses some."""
        workspace, _ = self._scope(request, "segments:view")
        status = request.query_params.get("status")
        found = self._services.segments.all_of_workspace(workspace["id"], _segment_type(request))
        return self._page(request, [one for one in found if status in {None, one["status"]}], shape=_shown)

    @call("GET", "/segments/{name}")
    async def one(self, request: Request) -> Response:
        """Show one segment."""
        return json_answer(_shown(self._segment_of(request, "segments:view")))

    @call("POST", "/segments")
    async def create(self, request: Request) -> Response:
        """Create a segment."""
        workspace, _ = self._scope(request, "segments:edit")
        given = await body_of(request, NewSegment)
        made = self._services.segments.create_new(
            Segment(
                name=given.name,
                description=given.description,
                workspace_id=workspace["id"],
                traffic_type=given.traffic_type,
                segment_type=given.segment_type,
                tags=[tag.name for tag in given.tags],
            )
        )
        return written(_shown(made))

    @call("PATCH", "/segments/{name}")
    async def change(self, request: Request) -> Response:
        """Change description, tags or owners."""
        segment = self._segment_of(request, "segments:edit")
        patch = await body_of(request, SegmentPatch, MERGE_PATCH)
        members: dict[str, Any] = {}
        if patch.description is not UNSET:
            members["description"] = patch.description
        if patch.tags is not UNSET:
            members["tags"] = [tag.name for tag in patch.tags or []]
        if patch.owners is not UNSET:
            members["owners"] = patch.owners or []
        return written(_shown(self._services.segments.change(segment, members)))

    @call("DELETE", "/segments/{name}")
    async def delete(self, request: Request) -> Response:
        """Delete a segment that has no definitions."""
        segment = self._segment_of(request, "segments:edit")
        if self._services.segments.environments_of(segment["workspace_id"], segment["name"]):
            raise RefusedError(400, "hasDependents")
        self._services.segments.delete(segment["workspace_id"], segment["name"])
        return deleted()

    @call("GET", "/segment-definitions")
    async def definitions(self, request: Request) -> Response:
        """List the definitions of standard segments in an environment; `status` chooses some."""
        environment, _, _ = self._target(request, "segments:view")
        none = request.query_params.get("status", "ACTIVE") != "ACTIVE"
        found = [] if none else self._services.segments.definitions(environment["id"])
        return self._page(request, found, shape=shown_definition)

    @call("POST", "/segment-definitions/{name}")
    async def activate(self, request: Request) -> Response:
        """Create the definition of a standard segment in an environment."""
        environment, workspace, _ = self._target(request, "segments:edit")
        name = request.path_params["name"]
        self._services.segments.of_workspace(workspace["id"], name, "STANDARD")
        given = await body_of(request, DefinitionBody)
        if self._services.segments.is_active(environment["id"], name):
            raise RefusedError(409, "Segment definition already exists")
        return written(shown_definition(self._services.segments.activate(environment, name, given.description or None)))

    @call("GET", "/segment-definitions/{name}")
    async def definition(self, request: Request) -> Response:
        """Show one definition."""
        _, definition = self._definition(request, "segments:view")
        return json_answer(shown_definition(definition))

    @call("PATCH", "/segment-definitions/{name}")
    async def describe(self, request: Request) -> Response:
        """Change the description of a definition."""
        _, definition = self._definition(request, "segments:edit")
        given = await body_of(request, DefinitionBody, MERGE_PATCH)
        if given.description is not UNSET:
            definition = self._services.segments.describe(definition, given.description)
        return written(shown_definition(definition))

    @call("DELETE", "/segment-definitions/{name}")
    async def deactivate(self, request: Request) -> Response:
        """Delete a definition that has no keys."""
        target, definition = self._definition(request, "segments:edit")
        if self._services.segments.keys.count(target.environment["id"], definition["name"]):
            raise RefusedError(400, "hasDependents")
        self._services.segments.deactivate(target.environment["id"], definition["name"])
        return deleted()

    def _segment_of(self, request: Request, permission: Permission) -> dict[str, Any]:
        workspace, _ = self._scope(request, permission)
        name, segment_type = request.path_params["name"], _segment_type(request)
        return self._services.segments.of_workspace(workspace["id"], name, segment_type)


def _segment_type(request: Request) -> SegmentType:
    given = required(request, "segment_type")
    if given not in SEGMENT_TYPES:
        raise RefusedError(400, f"segment_type must be one of {', '.join(SEGMENT_TYPES)}")
    return SEGMENT_TYPES[given]


def _shown(segment: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": segment["id"],
        "name": segment["name"],
        "description": segment["description"],
        "trafficType": {"name": segment["traffic_type"]["name"]},
        "segmentType": segment["segment_type"],
        "status": segment["status"],
        "tags": [{"id": f"tag-{name}", "name": name} for name in segment["tags"]],
        "owners": segment["owners"],
        "createdAt": seconds(segment["creation_time"]),
    }


def shown_definition(definition: dict[str, Any]) -> dict[str, Any]:
    """A definition as the API shows it."""
    return {
        "segment": {"name": definition["name"]},
        "environment": {"name": definition["environment_name"]},
        "description": definition["description"],
        "status": "ACTIVE",
        "createdAt": seconds(definition["creation_time"]),
    }
