"""The Admin API's calls about standard segments: what they take, what they refuse, what they answer.

Sources: https://developer.harness.io/docs/feature-management-experimentation/api/segments and
https://docs.split.io/reference, "Segments".
"""

from __future__ import annotations

import csv
import io
import re
from typing import Any, TypeVar

import msgspec
from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from split_amplitude_sandbox.answers import json_answer
from split_amplitude_sandbox.clock import Clock
from split_amplitude_sandbox.split.answers import RefusedError, require_key
from split_amplitude_sandbox.split.segments import Segments
from split_amplitude_sandbox.split.workspace import BASE, Workspaces, bounds, page

NAME_PATTERN = re.compile(r"[a-zA-Z][-_a-zA-Z0-9]{0,99}")
FORBIDDEN_NAMES = frozenset({"datetime", "string", "integer"})
MAX_KEYS_PER_CALL = 10_000
KEYS_PAGE = 100
"""Keys in a page, by default and at most; the largest page is not documented."""

Body = TypeVar("Body")


class NewSegment(msgspec.Struct):
    """The body of a creation."""

    name: str
    description: str | None = None


class Reason(msgspec.Struct):
    """What a workspace can demand to be told with each change."""

    title: str | None = None
    comment: str | None = None


class KeyChange(Reason, kw_only=True):
    """The body of an addition or removal of keys."""

    keys: list[str]


class SegmentCalls:
    """The calls; what they are about is kept by `Segments`."""

    def __init__(self, segments: Segments, workspaces: Workspaces, clock: Clock) -> None:
        self._segments = segments
        self._workspaces = workspaces
        self._clock = clock

    def routes(self) -> list[Route]:
        """The documented addresses."""
        calls = [
            ("GET", "/ws/{workspace_id}", self.listing),
            ("POST", "/ws/{workspace_id}/trafficTypes/{traffic_type}", self.create),
            ("GET", "/ws/{workspace_id}/environments/{environment_id}", self.active),
            ("GET", "/ws/{workspace_id}/{name}", self.one),
            ("DELETE", "/ws/{workspace_id}/{name}", self.delete),
            ("POST", "/{environment_id}/{name}", self.activate),
            ("DELETE", "/{environment_id}/{name}", self.deactivate),
            ("GET", "/{environment_id}/{name}/keys", self.keys),
            ("PUT", "/{environment_id}/{name}/uploadKeys", self.upload_keys),
            ("PUT", "/{environment_id}/{name}/upload", self.upload),
            ("PUT", "/{environment_id}/{name}/removeKeys", self.remove_keys),
            ("PUT", "/{environment_id}/{name}/deleteKeys", self.delete_keys),
        ]
        return [Route(f"{BASE}/segments{path}", endpoint, methods=[method]) for method, path, endpoint in calls]

    async def listing(self, request: Request) -> Response:
        """A workspace's segments."""
        workspace = self._workspaces.workspace_of(request)
        return json_answer(page(request, [_shown(one) for one in self._segments.all_of_workspace(workspace["id"])]))

    async def one(self, request: Request) -> Response:
        """One segment of a workspace."""
        workspace = self._workspaces.workspace_of(request)
        return json_answer(_shown(self._segments.of_workspace(workspace["id"], request.path_params["name"])))

    async def create(self, request: Request) -> Response:
        """Make a segment in a workspace."""
        workspace_id = self._workspaces.workspace_of(request)["id"]
        given = _decoded(await request.body(), NewSegment)
        if not NAME_PATTERN.fullmatch(given.name) or given.name in FORBIDDEN_NAMES:
            raise RefusedError(400, "Segment names begin with a letter; then come letters, digits, '-' and '_'")
        if self._segments.exists(workspace_id, given.name):
            raise RefusedError(409, "Segment already exists")
        traffic_type = request.path_params["traffic_type"]
        return json_answer(_shown(self._segments.create(workspace_id, given.name, traffic_type, given.description)))

    async def delete(self, request: Request) -> Response:
        """Forget a segment in its workspace and in every environment."""
        workspace_id, name = self._workspaces.workspace_of(request)["id"], request.path_params["name"]
        self._segments.of_workspace(workspace_id, name)
        self._segments.delete(workspace_id, name)
        return json_answer(body=True)

    async def active(self, request: Request) -> Response:
        """The segments that are active in an environment."""
        self._workspaces.workspace_of(request)
        environment = self._workspaces.environment(request.path_params["environment_id"])
        place = {"environment": _reference(environment)}
        found = [_shown(one) | place for one in self._segments.all_of_environment(environment["id"])]
        return json_answer(page(request, found))

    async def activate(self, request: Request) -> Response:
        """Give an environment the segment."""
        environment, name = self._place(request)
        segment = self._segments.of_workspace(environment["workspace_id"], name)
        if self._segments.is_active(environment["id"], name):
            raise RefusedError(409, "Segment is already active in this environment")
        self._segments.activate(environment, name)
        return json_answer(
            {
                "name": name,
                "environment": _reference(environment),
                "trafficType": segment["traffic_type"],
                "creationTime": segment["creation_time"],
            }
        )

    async def deactivate(self, request: Request) -> Response:
        """Take a segment out of an environment; it must be empty."""
        environment, name = self._active_place(request)
        if self._segments.keys(environment["id"], name):
            raise RefusedError(400, "Segment must be empty before it is deactivated")
        self._segments.deactivate(environment["id"], name)
        return json_answer(body=True)

    async def keys(self, request: Request) -> Response:
        """A page of a segment's keys; their number is `count`."""
        environment, name = self._active_place(request)
        offset, limit = bounds(request, KEYS_PAGE, KEYS_PAGE)
        all_keys = self._segments.keys(environment["id"], name)
        keys = all_keys[offset : offset + limit]
        request.state.items = len(keys)
        return json_answer(
            {
                "keys": [{"key": key} for key in keys],
                "openChangeRequestId": None,
                "count": len(all_keys),
                "offset": offset,
                "limit": limit,
            }
        )

    async def upload_keys(self, request: Request) -> Response:
        """Add keys, or replace all."""
        return self._add(request, _decoded(await request.body(), KeyChange))

    async def upload(self, request: Request) -> Response:
        """Add keys, or replace all, from a JSON array or from a CSV file with one key a line."""
        if not request.headers.get("content-type", "").startswith("multipart/form-data"):
            return self._add(request, KeyChange(keys=_decoded(await request.body(), list[str])))
        async with request.form() as form:
            file, payload = form.get("file"), form.get("payload", "{}")
            if not isinstance(file, UploadFile) or not isinstance(payload, str):
                raise RefusedError(400, "The form must hold a file and a payload")
            text = (await file.read()).decode("utf-8-sig", errors="replace")
        reason = _decoded(payload.encode(), Reason)
        keys = [row[0] for row in csv.reader(io.StringIO(text)) if row]
        return self._add(request, KeyChange(keys=keys, title=reason.title, comment=reason.comment))

    async def remove_keys(self, request: Request) -> Response:
        """Remove keys."""
        return self._remove(request, _decoded(await request.body(), KeyChange))

    async def delete_keys(self, request: Request) -> Response:
        """Remove keys: the older call, with a bare array."""
        return self._remove(request, KeyChange(keys=_decoded(await request.body(), list[str])))

    def _add(self, request: Request, change: KeyChange) -> Response:
        environment, name = self._changed_place(request, change)
        replace = request.query_params.get("replace") == "true"
        self._segments.add_keys(environment["id"], name, change.keys, replace=replace)
        return json_answer(self._described(environment, name))

    def _remove(self, request: Request, change: KeyChange) -> Response:
        environment, name = self._changed_place(request, change)
        removed = self._segments.remove_keys(environment["id"], name, change.keys)
        return json_answer({"code": 200, "message": f"Deleted {removed} keys", "details": None, "transactionId": None})

    def _place(self, request: Request) -> tuple[dict[str, Any], str]:
        """The environment and the segment's name in the request's path, for somebody with a key."""
        require_key(request, harness_header=True)
        return self._workspaces.environment(request.path_params["environment_id"]), request.path_params["name"]

    def _active_place(self, request: Request) -> tuple[dict[str, Any], str]:
        """The same, with the segment active there."""
        environment, name = self._place(request)
        self._segments.definition(environment["id"], name)
        return environment, name

    def _changed_place(self, request: Request, change: KeyChange) -> tuple[dict[str, Any], str]:
        """The same, with a change that is allowed."""
        environment, name = self._active_place(request)
        request.state.items = len(change.keys)
        workspace = self._workspaces.workspace(environment["workspace_id"])
        if workspace["requiresTitleAndComments"] and not (change.title and change.comment):
            raise RefusedError(400, "Comment/title combination invalid for workspace")
        if not change.keys or not all(change.keys):
            raise RefusedError(400, "There must be keys, and none may be empty")
        if len(change.keys) > MAX_KEYS_PER_CALL:
            raise RefusedError(400, f"A call takes at most {MAX_KEYS_PER_CALL} keys")
        return environment, name

    def _described(self, environment: dict[str, Any], name: str) -> dict[str, Any]:
        """A segment in an environment, as the answers to uploads show it."""
        definition = self._segments.definition(environment["id"], name)
        segment = self._segments.of_workspace(environment["workspace_id"], name)
        traffic_type = segment["traffic_type"]
        return {
            "id": definition["id"],
            "orgId": "organization",
            "environment": environment["id"],
            "environmentURN": {"type": "Environment", **_reference(environment)},
            "name": name,
            "trafficTypeId": traffic_type["id"],
            "trafficTypeURN": {"type": "TRAFFIC_TYPE", **traffic_type},
            "description": segment["description"],
            "creator": {"type": "User", "id": "sandbox", "name": "sandbox"},
            "status": "ACTIVE",
            "creationTime": segment["creation_time"],
            "lastUpdateTime": self._clock.now_ms(),
            "iAmInThisSegment": None,
            "metadataId": definition["id"],
            "keys": None,
            "openChangeRequestId": None,
            "approvers": None,
            "type": "Segment",
        }


def _decoded(body: bytes, kind: type[Body]) -> Body:
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise RefusedError(400, str(error)) from None


def _shown(segment: dict[str, Any]) -> dict[str, Any]:
    """A segment of a workspace, as lists show it."""
    return {
        "name": segment["name"],
        "description": segment["description"],
        "trafficType": segment["traffic_type"],
        "creationTime": segment["creation_time"],
        "tags": None,
    }


def _reference(environment: dict[str, Any]) -> dict[str, Any]:
    return {"id": environment["id"], "name": environment["name"]}
