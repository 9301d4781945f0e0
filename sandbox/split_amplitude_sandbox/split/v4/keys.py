"""Keys of standard segments in the API v4.

Source: the vendor's client (`harness/mcp-server`). The shape of a key in a list and the answers to writes are not
documented; the settings choose between the readings.
"""

from __future__ import annotations

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from split_amplitude_sandbox.settings import Settings
from split_amplitude_sandbox.split.answers import RefusedError
from split_amplitude_sandbox.split.change_requests import (
    ChangeRequests,
    Operation,
    approvals_message,
    needs_approval,
)
from split_amplitude_sandbox.split.keys import MAX_KEYS_PER_CALL
from split_amplitude_sandbox.split.segments import Segments
from split_amplitude_sandbox.split.settings import SplitSettings
from split_amplitude_sandbox.split.v4.scope import BASE, Scopes, Target, body_of, written
from split_amplitude_sandbox.split.v4.segments import definition_of, shown_definition


class KeyChange(msgspec.Struct, forbid_unknown_fields=True):
    """The body of an addition or a removal; `comment` and `title` are for the audit log."""

    keys: list[str]
    comment: str | None = None
    title: str | None = None


class KeyCalls:
    """Reading, adding, replacing and removing keys."""

    def __init__(
        self, scopes: Scopes, segments: Segments, change_requests: ChangeRequests, settings: Settings[SplitSettings]
    ) -> None:
        self._scopes = scopes
        self._segments = segments
        self._change_requests = change_requests
        self._settings = settings

    def routes(self) -> list[Route]:
        """The paths that the vendor's client uses."""
        path = f"{BASE}/segment-definitions/{{name}}/keys"
        return [
            Route(path, self.listing, methods=["GET"]),
            Route(path, self.add, methods=["POST"]),
            Route(f"{path}/remove", self.remove, methods=["POST"]),
        ]

    async def listing(self, request: Request) -> Response:
        """Show a page of keys."""
        target, definition = definition_of(self._scopes, self._segments, request, "segments:view")
        keys = self._segments.keys.all(target.environment["id"], definition["name"])
        settings = self._settings.current
        shape = _object if settings.keys_as == "objects" else None
        return self._scopes.page(request, keys, shape=shape, member=settings.keys_member)

    async def add(self, request: Request) -> Response:
        """Add keys; with the query parameter `replace=true` they replace all others, and none clear the segment."""
        return await self._change(request, "CREATE", replace=request.query_params.get("replace") == "true")

    async def remove(self, request: Request) -> Response:
        """Remove keys."""
        return await self._change(request, "ARCHIVE", replace=False)

    async def _change(self, request: Request, operation: Operation, *, replace: bool) -> Response:
        target, definition = definition_of(self._scopes, self._segments, request, "segments:edit")
        change = await body_of(request, KeyChange)
        request.state.items = len(change.keys)
        if target.workspace["requiresTitleAndComments"] and not (change.title and change.comment):
            raise RefusedError(400, "Comment/title combination invalid for workspace")
        if not all(change.keys) or not (change.keys or replace):
            raise RefusedError(400, "There must be keys, and none may be empty")
        if len(change.keys) > MAX_KEYS_PER_CALL:
            raise RefusedError(400, f"A call takes at most {MAX_KEYS_PER_CALL} keys")
        name, environment_id = definition["name"], target.environment["id"]
        if needs_approval(target.environment, target.token):
            return self._governed(target, name, change, operation)
        if operation == "CREATE":
            self._segments.keys.add(environment_id, name, change.keys, replace=replace)
        else:
            self._segments.keys.remove(environment_id, name, change.keys)
        return written(shown_definition(definition))

    def _governed(self, target: Target, name: str, change: KeyChange, operation: Operation) -> Response:
        """The answer to a write that needs an approval; which of the readings is played is a setting."""
        answer = self._settings.current.v4_approvals
        if answer == "forbidden":
            raise RefusedError(403, approvals_message(target.environment))
        if answer == "conflict":
            raise RefusedError(409, f"Governance policy evaluation failed: {approvals_message(target.environment)}")
        made = self._change_requests.submit(
            environment=target.environment,
            segment=name,
            keys=change.keys,
            operation=operation,
            title=change.title,
            comment=change.comment,
            approvers=[],
            token=target.token,
        )
        definition = self._segments.definition(target.environment["id"], name)
        return written(shown_definition(definition), {"status": "pending", "changeRequestId": made["id"]})


def _object(key: str) -> dict[str, str]:
    return {"key": key}
