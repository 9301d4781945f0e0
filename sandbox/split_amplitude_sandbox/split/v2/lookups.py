"""Lookups of the Admin API v2: workspaces, environments, traffic types, feature flags.

Source: https://docs.split.io/reference, "Workspaces", "Environments", "Traffic types", "Feature flags".
"""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from split_amplitude_sandbox.answers import json_answer
from split_amplitude_sandbox.calls import call
from split_amplitude_sandbox.split.answers import RefusedError
from split_amplitude_sandbox.split.v2.calls import V2Calls, reference

HARNESS_MEMBERS = ("organizationIdentifier", "projectIdentifier")


class Lookups(V2Calls):
    """The calls that only read."""

    @call("GET", "/workspaces")
    async def workspaces(self, request: Request) -> Response:
        """List workspaces; `name` with `nameOp`, or the Harness identifiers, choose some."""
        self._services.access.v2(request, "workspaces:view")
        query = request.query_params
        found = [_workspace(one) for one in self._services.workspaces.all()]
        if name := query.get("name"):
            operation = query.get("nameOp", "IS")
            found = [one for one in found if _name_fits(one["name"], name, operation)]
        for member in HARNESS_MEMBERS:
            if member in query:
                found = [one for one in found if one.get(member) == query[member]]
        return self._page(request, found)

    @call("GET", "/environments/ws/{workspace_id}")
    async def environments(self, request: Request) -> Response:
        """List a workspace's environments: a bare array."""
        workspace = self._workspace(request, "environments:view")
        found = self._services.workspaces.environments(workspace["id"])
        return json_answer([{name: one[name] for name in ("id", "name", "production")} for one in found])

    @call("GET", "/trafficTypes/ws/{workspace_id}")
    async def traffic_types(self, request: Request) -> Response:
        """List a workspace's traffic types: a bare array."""
        workspace = self._workspace(request, "traffic-types:view")
        return json_answer(
            [one | {"displayAttributeId": None} for one in self._services.workspaces.traffic_types(workspace["id"])]
        )

    @call("GET", "/splits/ws/{workspace_id}")
    async def flags(self, request: Request) -> Response:
        """List a workspace's feature flags."""
        workspace = self._workspace(request, "feature-flags:view")
        return self._page(request, [self._flag(one) for one in self._services.workspaces.flags(workspace["id"])])

    @call("GET", "/splits/ws/{workspace_id}/{flag}")
    async def flag(self, request: Request) -> Response:
        """Show one feature flag."""
        workspace = self._workspace(request, "feature-flags:view")
        return json_answer(self._flag(self._services.workspaces.flag(workspace["id"], request.path_params["flag"])))

    @call("GET", "/splits/ws/{workspace_id}/environments/{environment_id}")
    async def definitions(self, request: Request) -> Response:
        """List the definitions of a workspace's flags in one environment."""
        workspace = self._workspace(request, "feature-flags:view")
        environment = self._services.workspaces.environment(request.path_params["environment_id"])
        found = [
            self._flag(one)
            | {"environment": reference(environment)}
            | {"killed": False, "treatments": [{"name": "on"}, {"name": "off"}], "defaultTreatment": "off"}
            for one in self._services.workspaces.flags(workspace["id"])
        ]
        return self._page(request, found)

    def _flag(self, flag: dict[str, Any]) -> dict[str, Any]:
        return {
            "id": f"flag-{flag['name']}",
            "name": flag["name"],
            "description": flag["description"],
            "trafficType": self._services.workspaces.traffic_type(flag["workspace_id"], flag["traffic_type"]),
            "creationTime": flag["creation_time"],
            "rolloutStatus": None,
            "tags": [],
            "owners": [],
        }


def _workspace(workspace: dict[str, Any]) -> dict[str, Any]:
    shown = {name: workspace[name] for name in ("id", "name", "type", "requiresTitleAndComments")}
    return shown | {name: workspace[name] for name in HARNESS_MEMBERS if workspace[name] is not None}


def _name_fits(name: str, wanted: str, operation: str) -> bool:
    if operation == "IS":
        return name == wanted
    if operation == "STARTS_WITH":
        return name.startswith(wanted)
    if operation == "CONTAINS":
        return wanted in name
    raise RefusedError(400, "nameOp must be IS, STARTS_WITH or CONTAINS")
