"""Change requests of the Admin API v2, for the keys of standard segments.

Source: https://developer.harness.io/docs/feature-management-experimentation/api/approvals.
"""

from __future__ import annotations

from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from split_amplitude_sandbox.answers import json_answer
from split_amplitude_sandbox.calls import call
from split_amplitude_sandbox.split.answers import RefusedError
from split_amplitude_sandbox.split.change_requests import Decision, Operation
from split_amplitude_sandbox.split.keys import MAX_KEYS_PER_CALL
from split_amplitude_sandbox.split.v2.calls import V2Calls, decoded

LIMIT = 20


class SegmentChange(msgspec.Struct):
    """The segment of a new change request."""

    name: str
    keys: list[str]


class NewChangeRequest(msgspec.Struct, rename="camel"):
    """The body of a new change request; `scheduled_for` is in epoch milliseconds."""

    segment: SegmentChange
    operation_type: Operation
    title: str
    comment: str
    approvers: list[str] = []
    scheduled_for: int | None = None
    scheduled_for_timezone: str | None = None


class Verdict(msgspec.Struct):
    """The body of an approval, a rejection or a withdrawal."""

    status: Decision
    comment: str | None = None


class ChangeRequestCalls(V2Calls):
    """The calls; `ChangeRequests` keeps what they are about."""

    @call("GET", "/changeRequests")
    async def listing(self, request: Request) -> Response:
        """List change requests; `status` chooses some."""
        self._services.access.v2(request, "change-requests:view")
        found = [_shown(one) for one in self._services.change_requests.all(request.query_params.get("status"))]
        return json_answer(
            {"data": found, "nextMarker": None, "previousMarker": None, "limit": LIMIT, "count": len(found)}
        )

    @call("POST", "/changeRequests/ws/{workspace_id}/environments/{environment_id}")
    async def submit(self, request: Request) -> Response:
        """Create a change request for keys of a segment."""
        workspace_id, environment_id = (request.path_params[name] for name in ("workspace_id", "environment_id"))
        token = self._services.access.v2(request, "change-requests:edit", environment_id)
        environment = self._services.workspaces.environment(environment_id, workspace_id)
        given = decoded(await request.body(), NewChangeRequest)
        self._services.segments.definition(environment_id, given.segment.name)
        if not given.segment.keys or len(given.segment.keys) > MAX_KEYS_PER_CALL:
            raise RefusedError(400, f"A change request takes 1 to {MAX_KEYS_PER_CALL} keys")
        request.state.items = len(given.segment.keys)
        made = self._services.change_requests.submit(
            environment=environment,
            segment=given.segment.name,
            keys=given.segment.keys,
            operation=given.operation_type,
            title=given.title,
            comment=given.comment,
            approvers=given.approvers,
            token=token,
            scheduled_for=given.scheduled_for,
        )
        return json_answer(_shown(made))

    @call("GET", "/changeRequests/{request_id}")
    async def one(self, request: Request) -> Response:
        """Show one change request."""
        self._services.access.v2(request, "change-requests:view")
        return json_answer(_shown(self._services.change_requests.one(request.path_params["request_id"])))

    @call("PUT", "/changeRequests/{request_id}")
    async def decide(self, request: Request) -> Response:
        """Approve, reject or withdraw a change request."""
        token = self._services.access.v2(request, "change-requests:edit")
        verdict = decoded(await request.body(), Verdict)
        return json_answer(
            _shown(self._services.change_requests.decide(request.path_params["request_id"], verdict.status, token))
        )


def _shown(request: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": request["id"],
        "status": request["status"],
        "title": request["title"],
        "comment": request["comment"],
        "segment": {"name": request["segment"], "keys": request["keys"]},
        "operationType": request["operation"],
        "approvers": request["approvers"],
        "workspace": {"id": request["workspace_id"], "type": "workspace"},
        "environment": {"id": request["environment_id"], "name": request["environment_name"]},
        "creationTime": request["created_ms"],
        "lastUpdateTime": request["modified_ms"],
    }
