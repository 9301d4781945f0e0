"""Keys of standard segments in the Admin API v2.

Source: https://developer.harness.io/docs/feature-management-experimentation/api/segments.
"""

from __future__ import annotations

import csv
import io
from typing import Any

import msgspec
from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from split_amplitude_sandbox.answers import json_answer
from split_amplitude_sandbox.clock import Clock
from split_amplitude_sandbox.settings import Settings
from split_amplitude_sandbox.split.answers import RefusedError
from split_amplitude_sandbox.split.bodies import decoded
from split_amplitude_sandbox.split.change_requests import ChangeRequests, approvals_message, needs_approval
from split_amplitude_sandbox.split.keys import KEYS_PAGE, MAX_KEYS_PER_CALL
from split_amplitude_sandbox.split.paging import bounds, total
from split_amplitude_sandbox.split.segments import Segments
from split_amplitude_sandbox.split.settings import SplitSettings
from split_amplitude_sandbox.split.v2.lookups import BASE
from split_amplitude_sandbox.split.v2.segments import Targets, reference
from split_amplitude_sandbox.split.workspaces import Workspaces


class Reason(msgspec.Struct):
    """Why keys change; some workspaces demand both members."""

    title: str | None = None
    comment: str | None = None


class KeyChange(Reason, kw_only=True):
    """The body of an addition or a removal of keys."""

    keys: list[str]


class KeyCalls:
    """Reading, adding, replacing and removing keys."""

    def __init__(  # noqa: PLR0913 - it needs them all
        self,
        *,
        targets: Targets,
        workspaces: Workspaces,
        segments: Segments,
        change_requests: ChangeRequests,
        clock: Clock,
        settings: Settings[SplitSettings],
    ) -> None:
        self._targets = targets
        self._workspaces = workspaces
        self._segments = segments
        self._change_requests = change_requests
        self._clock = clock
        self._settings = settings

    def routes(self) -> list[Route]:
        """The documented paths."""
        base = f"{BASE}/segments/{{environment_id}}/{{name}}"
        return [
            Route(f"{base}/keys", self.keys, methods=["GET"]),
            Route(f"{base}/uploadKeys", self.upload_keys, methods=["PUT"]),
            Route(f"{base}/upload", self.upload, methods=["PUT"]),
            Route(f"{base}/removeKeys", self.remove_keys, methods=["PUT"]),
            Route(f"{base}/deleteKeys", self.delete_keys, methods=["PUT"]),
        ]

    async def keys(self, request: Request) -> Response:
        """Show a page of keys; `count` is the number of all."""
        environment, name, _ = self._targets.active(request, "segments:view")
        offset, limit = bounds(request, KEYS_PAGE, KEYS_PAGE)
        all_keys = self._segments.keys.all(environment["id"], name)
        keys = all_keys[offset : offset + limit]
        request.state.items = len(keys)
        return json_answer(
            {
                "keys": [{"key": key} for key in keys],
                "openChangeRequestId": self._change_requests.open_one(environment["id"], name),
                "offset": offset,
                "limit": limit,
            }
            | total("count", len(all_keys), self._settings.current)
        )

    async def upload_keys(self, request: Request) -> Response:
        """Add keys, or replace all of them."""
        return self._add(request, decoded(await request.body(), KeyChange))

    async def upload(self, request: Request) -> Response:
        """Add keys, or replace all of them, from a JSON array or from a CSV file with one key per line."""
        if not request.headers.get("content-type", "").startswith("multipart/form-data"):
            return self._add(request, KeyChange(keys=decoded(await request.body(), list[str])))
        async with request.form() as form:
            file, payload = form.get("file"), form.get("payload", "{}")
            if not isinstance(file, UploadFile) or not isinstance(payload, str):
                raise RefusedError(400, "The form must have a file and a payload")
            text = (await file.read()).decode("utf-8-sig", errors="replace")
        reason = decoded(payload.encode(), Reason)
        keys = [row[0] for row in csv.reader(io.StringIO(text)) if row]
        return self._add(request, KeyChange(keys=keys, title=reason.title, comment=reason.comment))

    async def remove_keys(self, request: Request) -> Response:
        """Remove keys."""
        return self._remove(request, decoded(await request.body(), KeyChange))

    async def delete_keys(self, request: Request) -> Response:
        """Remove keys: the older call, which takes a bare array."""
        return self._remove(request, KeyChange(keys=decoded(await request.body(), list[str])))

    def _add(self, request: Request, change: KeyChange) -> Response:
        environment, name = self._checked(request, change)
        replace = request.query_params.get("replace") == "true"
        self._segments.keys.add(environment["id"], name, change.keys, replace=replace)
        return json_answer(self._described(environment, name))

    def _remove(self, request: Request, change: KeyChange) -> Response:
        environment, name = self._checked(request, change)
        removed = self._segments.keys.remove(environment["id"], name, change.keys)
        return json_answer({"code": 200, "message": f"Deleted {removed} keys", "details": None, "transactionId": None})

    def _checked(self, request: Request, change: KeyChange) -> tuple[dict[str, Any], str]:
        """The environment and the segment of a change that is allowed."""
        environment, name, token = self._targets.active(request, "segments:edit")
        request.state.items = len(change.keys)
        workspace = self._workspaces.workspace(environment["workspace_id"])
        if workspace["requiresTitleAndComments"] and not (change.title and change.comment):
            raise RefusedError(400, "Comment/title combination invalid for workspace")
        if not change.keys or not all(change.keys):
            raise RefusedError(400, "There must be keys, and none may be empty")
        if len(change.keys) > MAX_KEYS_PER_CALL:
            raise RefusedError(400, f"A call takes at most {MAX_KEYS_PER_CALL} keys")
        if needs_approval(environment, token):
            raise RefusedError(403, approvals_message(environment))
        return environment, name

    def _described(self, environment: dict[str, Any], name: str) -> dict[str, Any]:
        """A segment in an environment, as the answers to uploads show it."""
        definition = self._segments.definition(environment["id"], name)
        segment = self._segments.of_workspace(environment["workspace_id"], name, "STANDARD")
        traffic_type = segment["traffic_type"]
        return {
            "id": definition["id"],
            "orgId": "organization",
            "environment": environment["id"],
            "environmentURN": {"type": "Environment", **reference(environment)},
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
            "openChangeRequestId": self._change_requests.open_one(environment["id"], name),
            "approvers": None,
            "type": "Segment",
        }
