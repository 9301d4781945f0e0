"""Lookups of the Admin API v2: workspaces, environments, traffic types, feature flags.

Source: https://docs.split.io/reference, "Workspaces", "Environments", "Traffic types", "Feature flags".
"""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from split_amplitude_sandbox.answers import json_answer
from split_amplitude_sandbox.settings import Settings
from split_amplitude_sandbox.split.access import Access, Permission
from split_amplitude_sandbox.split.answers import RefusedError
from split_amplitude_sandbox.split.paging import page
from split_amplitude_sandbox.split.settings import SplitSettings
from split_amplitude_sandbox.split.workspaces import Workspaces

BASE = "/internal/api/v2"
HARNESS_MEMBERS = ("organizationIdentifier", "projectIdentifier")


class Lookups:
    """The calls that only read."""

    def __init__(self, access: Access, workspaces: Workspaces, settings: Settings[SplitSettings]) -> None:
        self._access = access
        self._workspaces = workspaces
        self._settings = settings

    def routes(self) -> list[Route]:
        """The documented paths."""
        paths = {
            "/workspaces": self.workspaces,
            "/environments/ws/{workspace_id}": self.environments,
            "/trafficTypes/ws/{workspace_id}": self.traffic_types,
            "/splits/ws/{workspace_id}": self.flags,
            "/splits/ws/{workspace_id}/{flag}": self.flag,
            "/splits/ws/{workspace_id}/environments/{environment_id}": self.definitions,
        }
        return [Route(BASE + path, endpoint, methods=["GET"]) for path, endpoint in paths.items()]

    async def workspaces(self, request: Request) -> Response:
        """List workspaces; `name` with `nameOp`, or the Harness identifiers, choose some."""
        self._access.v2(request, "workspaces:view")
        query = request.query_params
        found = [_workspace(one) for one in self._workspaces.all()]
        if name := query.get("name"):
            operation = query.get("nameOp", "IS")
            found = [one for one in found if _name_fits(one["name"], name, operation)]
        for member in HARNESS_MEMBERS:
            if member in query:
                found = [one for one in found if one.get(member) == query[member]]
        return self._page(request, found)

    async def environments(self, request: Request) -> Response:
        """List a workspace's environments: a bare array."""
        workspace = self._workspace_of(request, "environments:view")
        found = self._workspaces.environments(workspace["id"])
        return json_answer([{name: one[name] for name in ("id", "name", "production")} for one in found])

    async def traffic_types(self, request: Request) -> Response:
        """List a workspace's traffic types: a bare array."""
        workspace = self._workspace_of(request, "traffic-types:view")
        return json_answer(
            [one | {"displayAttributeId": None} for one in self._workspaces.traffic_types(workspace["id"])]
        )

    async def flags(self, request: Request) -> Response:
        """List a workspace's feature flags."""
        workspace = self._workspace_of(request, "feature-flags:view")
        return self._page(request, [self._flag(one) for one in self._workspaces.flags(workspace["id"])])

    async def flag(self, request: Request) -> Response:
        """Show one feature flag."""
        workspace = self._workspace_of(request, "feature-flags:view")
        return json_answer(self._flag(self._workspaces.flag(workspace["id"], request.path_params["flag"])))

    async def definitions(self, request: Request) -> Response:
        """List the definitions of a workspace's flags in one environment."""
        workspace = self._workspace_of(request, "feature-flags:view")
        environment = self._workspaces.environment(request.path_params["environment_id"])
        found = [
            self._flag(one)
            | {"environment": {"id": environment["id"], "name": environment["name"]}}
            | {"killed": False, "treatments": [{"name": "on"}, {"name": "off"}], "defaultTreatment": "off"}
            for one in self._workspaces.flags(workspace["id"])
        ]
        return self._page(request, found)

    def _workspace_of(self, request: Request, permission: Permission) -> dict[str, Any]:
        self._access.v2(request, permission)
        return self._workspaces.workspace(request.path_params["workspace_id"])

    def _page(self, request: Request, found: list[Any]) -> Response:
        return json_answer(page(request, found, self._settings.current))

    def _flag(self, flag: dict[str, Any]) -> dict[str, Any]:
        return {
            "id": f"flag-{flag['name']}",
            "name": flag["name"],
            "description": flag["description"],
            "trafficType": self._workspaces.traffic_type(flag["workspace_id"], flag["traffic_type"]),
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
