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

from split_amplitude_sandbox.answers import json_answer
from split_amplitude_sandbox.calls import call
from split_amplitude_sandbox.split.answers import RefusedError
from split_amplitude_sandbox.split.change_requests import approvals_message, needs_approval
from split_amplitude_sandbox.split.keys import KEYS_PAGE, KeyChange, check_change
from split_amplitude_sandbox.split.paging import bounds, total
from split_amplitude_sandbox.split.v2.calls import V2Calls, decoded, reference

BASE = "/segments/{environment_id}/{name}"


class Reason(msgspec.Struct):
    """The payload of an upload: why keys change."""

    title: str | None = None
    comment: str | None = None


class KeyCalls(V2Calls):
    """Reading, adding, replacing and removing keys."""

    @call("GET", f"{BASE}/keys")
    async def keys(self, request: Request) -> Response:
        """Show a page of keys; `count` is the number of all."""
        environment, name, _ = self._active(request, "segments:view")
        offset, limit = bounds(request, KEYS_PAGE, KEYS_PAGE)
        all_keys = self._services.segments.keys.all(environment["id"], name)
        keys = all_keys[offset : offset + limit]
        request.state.items = len(keys)
        return json_answer(
            {
                "keys": [{"key": key} for key in keys],
                "openChangeRequestId": self._services.change_requests.open_one(environment["id"], name),
                "offset": offset,
                "limit": limit,
            }
            | total("count", len(all_keys), self._services.settings.current)
        )

    @call("PUT", f"{BASE}/uploadKeys")
    async def upload_keys(self, request: Request) -> Response:
        """Add keys, or replace all of them."""
        return self._add(request, decoded(await request.body(), KeyChange))

    @call("PUT", f"{BASE}/upload")
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

    @call("PUT", f"{BASE}/removeKeys")
    async def remove_keys(self, request: Request) -> Response:
        """Remove keys."""
        return self._remove(request, decoded(await request.body(), KeyChange))

    @call("PUT", f"{BASE}/deleteKeys")
    async def delete_keys(self, request: Request) -> Response:
        """Remove keys: the older call, which takes a bare array."""
        return self._remove(request, KeyChange(keys=decoded(await request.body(), list[str])))

    def _add(self, request: Request, change: KeyChange) -> Response:
        environment, name = self._checked(request, change)
        replace = request.query_params.get("replace") == "true"
        self._services.segments.keys.add(environment["id"], name, change.keys, replace=replace)
        return json_answer(self._described(environment, name))

    def _remove(self, request: Request, change: KeyChange) -> Response:
        environment, name = self._checked(request, change)
        removed = self._services.segments.keys.remove(environment["id"], name, change.keys)
        return json_answer({"code": 200, "message": f"Deleted {removed} keys", "details": None, "transactionId": None})

    def _checked(self, request: Request, change: KeyChange) -> tuple[dict[str, Any], str]:
        """The environment and the segment of a change that is allowed."""
        environment, name, token = self._active(request, "segments:edit")
        request.state.items = len(change.keys)
        workspace = self._services.workspaces.workspace(environment["workspace_id"])
        check_change(workspace, change)
        if needs_approval(environment, token):
            raise RefusedError(403, approvals_message(environment))
        return environment, name

    def _described(self, environment: dict[str, Any], name: str) -> dict[str, Any]:
        """A segment in an environment, as the answers to uploads show it."""
        definition = self._services.segments.definition(environment["id"], name)
        segment = self._services.segments.of_workspace(environment["workspace_id"], name, "STANDARD")
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
            "lastUpdateTime": self._services.clock.now_ms(),
            "iAmInThisSegment": None,
            "metadataId": definition["id"],
            "keys": None,
            "openChangeRequestId": self._services.change_requests.open_one(environment["id"], name),
            "approvers": None,
            "type": "Segment",
        }
