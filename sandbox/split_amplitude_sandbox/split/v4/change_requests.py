"""Change requests of the API v4, which can only be read.

Source: the vendor's client (`harness/mcp-server`).
"""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from split_amplitude_sandbox.calls import call
from split_amplitude_sandbox.split.answers import RefusedError
from split_amplitude_sandbox.split.v4.calls import V4Calls, iso

FILTERS = frozenset({"ALL", "APPROVALS", "SUBMISSIONS"})
DEFAULT_STATUS = "REQUESTED"


class ChangeRequestCalls(V4Calls):
    """The list of change requests."""

    @call("GET", "/change-requests")
    async def listing(self, request: Request) -> Response:
        """List change requests of the project; those that are requested unless `status` says otherwise."""
        workspace, token = self._scope(request, "change-requests:view")
        query = request.query_params
        kind = query.get("filter", "ALL")
        if kind not in FILTERS:
            raise RefusedError(400, f"filter must be one of {', '.join(sorted(FILTERS))}")
        found = [
            _shown(one)
            for one in self._services.change_requests.all(query.get("status", DEFAULT_STATUS))
            if one["workspace_id"] == workspace["id"]
            and query.get("environment_id", one["environment_id"]) == one["environment_id"]
            and query.get("resource_type", "SEGMENT") == "SEGMENT"
            and query.get("segment_type", "STANDARD") == "STANDARD"
            and (kind == "ALL" or (one["submitted_by"] == token) == (kind == "SUBMISSIONS"))
        ]
        return self._page(request, found)


def _shown(request: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": request["id"],
        "status": request["status"],
        "resourceId": request["segment"],
        "resourceType": "SEGMENT",
        "resourceName": request["segment"],
        "environment": {"id": request["environment_id"], "name": request["environment_name"]},
        "title": request["title"],
        "createdBy": {"type": "service-account", "name": "sandbox"},
        "approvalConfig": {"approvers": request["approvers"]},
        "createdAt": iso(request["created_ms"]),
        "modifiedAt": iso(request["modified_ms"]),
    }
