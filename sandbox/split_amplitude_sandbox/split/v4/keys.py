"""Keys of standard segments in the API v4.

Source: the vendor's client (`harness/mcp-server`). The shape of a key in a list and the answers to writes are not
documented; the settings choose between the readings.
"""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from split_amplitude_sandbox.calls import call
from split_amplitude_sandbox.split.answers import RefusedError
from split_amplitude_sandbox.split.change_requests import Operation, approvals_message, needs_approval
from split_amplitude_sandbox.split.keys import KeyChange, check_change
from split_amplitude_sandbox.split.v4.calls import Target, V4Calls, body_of, written
from split_amplitude_sandbox.split.v4.segments import shown_definition

BASE = "/segment-definitions/{name}/keys"


class KnownChange(KeyChange, forbid_unknown_fields=True):
    """The body of an addition or a removal."""


class KeyCalls(V4Calls):
    """Reading, adding, replacing and removing keys."""

    @call("GET", BASE)
    async def listing(self, request: Request) -> Response:
        """Show a page of keys."""
        target, definition = self._definition(request, "segments:view")
        keys = self._services.segments.keys.all(target.environment["id"], definition["name"])
        settings = self._services.settings.current
        shape = _object if settings.keys_as == "objects" else None
        return self._page(request, keys, shape=shape, member=settings.keys_member)

    @call("POST", BASE)
    async def add(self, request: Request) -> Response:
        """Add keys; with the query parameter `replace=true` they replace all others, and none clear the segment."""
        return await self._change(request, "CREATE", replace=request.query_params.get("replace") == "true")

    @call("POST", f"{BASE}/remove")
    async def remove(self, request: Request) -> Response:
        """Remove keys."""
        return await self._change(request, "ARCHIVE", replace=False)

    async def _change(self, request: Request, operation: Operation, *, replace: bool) -> Response:
        target, definition = self._definition(request, "segments:edit")
        change = await body_of(request, KnownChange)
        request.state.items = len(change.keys)
        check_change(target.workspace, change, may_be_empty=replace)
        name, environment_id = definition["name"], target.environment["id"]
        if needs_approval(target.environment, target.token):
            return self._governed(target, name, change, operation)
        if operation == "CREATE":
            self._services.segments.keys.add(environment_id, name, change.keys, replace=replace)
        else:
            self._services.segments.keys.remove(environment_id, name, change.keys)
        return written(shown_definition(definition))

    def _governed(self, target: Target, name: str, change: KeyChange, operation: Operation) -> Response:
        """The answer to a write that needs an approval; which of the readings is played is a setting."""
        answer = self._services.settings.current.v4_approvals
        if answer == "forbidden":
            raise RefusedError(403, approvals_message(target.environment))
        if answer == "conflict":
            raise RefusedError(409, f"Governance policy evaluation failed: {approvals_message(target.environment)}")
        made = self._services.change_requests.submit(
            environment=target.environment,
            segment=name,
            keys=change.keys,
            operation=operation,
            title=change.title,
            comment=change.comment,
            approvers=[],
            token=target.token,
        )
        definition = self._services.segments.definition(target.environment["id"], name)
        return written(shown_definition(definition), {"status": "pending", "changeRequestId": made["id"]})


def _object(key: str) -> dict[str, str]:
    return {"key": key}
