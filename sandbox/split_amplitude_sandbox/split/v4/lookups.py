"""Lookups of the API v4: environments, traffic types, rollout statuses, feature flags, event types.

Source: the vendor's clients (`harness/cli`, `harness/mcp-server`).
"""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from split_amplitude_sandbox.answers import json_answer
from split_amplitude_sandbox.split.answers import RefusedError
from split_amplitude_sandbox.split.event_types import EventTypes
from split_amplitude_sandbox.split.v4.scope import BASE, Scopes, iso, required
from split_amplitude_sandbox.split.workspaces import Workspaces

FLAGS_PAGE = 50
"""The CLI says 100 at most, the MCP server 50; the sandbox plays the smaller figure."""
ROLLOUT_STATUS = {"id": "rollout-ramping", "name": "Ramping"}


class Lookups:
    """The calls that only read."""

    def __init__(self, scopes: Scopes, workspaces: Workspaces, event_types: EventTypes) -> None:
        self._scopes = scopes
        self._workspaces = workspaces
        self._event_types = event_types

    def routes(self) -> list[Route]:
        """The paths that the vendor's clients use."""
        paths = {
            "/environments": self.environments,
            "/environments/{environment_id}": self.environment,
            "/traffic-types": self.traffic_types,
            "/rollout-statuses": self.rollout_statuses,
            "/feature-flags": self.flags,
            "/feature-flags/{flag}": self.flag,
            "/feature-flag-definitions": self.definitions,
            "/feature-flag-definitions/{flag}": self.definition,
            "/event-types": self.event_types,
            "/event-types/{event_type}": self.event_type,
        }
        return [Route(BASE + path, endpoint, methods=["GET"]) for path, endpoint in paths.items()]

    async def environments(self, request: Request) -> Response:
        """List environments: `{id, name, isProduction, status}`."""
        workspace, _ = self._scopes.of(request, "environments:view")
        return self._scopes.page(request, [_environment(one) for one in self._workspaces.environments(workspace["id"])])

    async def environment(self, request: Request) -> Response:
        """Show one environment."""
        workspace, _ = self._scopes.of(request, "environments:view")
        environment_id = request.path_params["environment_id"]
        return json_answer(_environment(self._workspaces.environment(environment_id, workspace["id"])))

    async def traffic_types(self, request: Request) -> Response:
        """List traffic types: `{type, id, name}`."""
        workspace, _ = self._scopes.of(request, "traffic-types:view")
        found = [{"type": "traffic-type", **one} for one in self._workspaces.traffic_types(workspace["id"])]
        return self._scopes.page(request, found)

    async def rollout_statuses(self, request: Request) -> Response:
        """List rollout statuses: `{id, name}`."""
        self._scopes.of(request, "feature-flags:view")
        return self._scopes.page(request, [ROLLOUT_STATUS])

    async def flags(self, request: Request) -> Response:
        """List feature flags; `name` and `status` choose some."""
        workspace, _ = self._scopes.of(request, "feature-flags:view")
        query = request.query_params
        found = [
            self._flag(one)
            for one in self._workspaces.flags(workspace["id"])
            if query.get("name", "") in one["name"] and query.get("status", one["status"]) == one["status"]
        ]
        return self._scopes.page(request, found, limit=FLAGS_PAGE)

    async def flag(self, request: Request) -> Response:
        """Show one feature flag."""
        workspace, _ = self._scopes.of(request, "feature-flags:view")
        return json_answer(self._flag(self._workspaces.flag(workspace["id"], request.path_params["flag"])))

    async def definitions(self, request: Request) -> Response:
        """List the definitions of one feature flag, one per environment."""
        workspace, _ = self._scopes.of(request, "feature-flags:view")
        flag = self._workspaces.flag(workspace["id"], required(request, "feature_flag_name"))
        environments = self._workspaces.environments(workspace["id"])
        return self._scopes.page(request, [_definition(flag, one) for one in environments])

    async def definition(self, request: Request) -> Response:
        """Show the definition of a feature flag in one environment."""
        environment, workspace, _ = self._scopes.environment_of(request, "feature-flags:view")
        flag = self._workspaces.flag(workspace["id"], request.path_params["flag"])
        return json_answer(_definition(flag, environment))

    async def event_types(self, request: Request) -> Response:
        """List event types with events in the last 30 days; `name` (a part of it) and `traffic_type` choose some."""
        workspace, _ = self._scopes.of(request, "event-types:view")
        query = request.query_params
        found = [one for one in self._recent(workspace["id"]) if query.get("name", "") in one["id"]]
        if "traffic_type" in query:
            name = self._workspaces.traffic_type(workspace["id"], query["traffic_type"])["name"]
            found = [one for one in found if {"name": name} in one["trafficTypes"]]
        return self._scopes.page(request, found)

    async def event_type(self, request: Request) -> Response:
        """Show one event type."""
        workspace, _ = self._scopes.of(request, "event-types:view")
        for one in self._recent(workspace["id"]):
            if one["id"] == request.path_params["event_type"]:
                return json_answer(one)
        raise RefusedError(404, "Event type not found")

    def _recent(self, workspace_id: str) -> list[dict[str, Any]]:
        return self._event_types.recent({one["name"] for one in self._workspaces.traffic_types(workspace_id)})

    def _flag(self, flag: dict[str, Any]) -> dict[str, Any]:
        return {
            "name": flag["name"],
            "description": flag["description"],
            "trafficType": {"name": flag["traffic_type"]},
            "status": flag["status"],
            "rolloutStatus": ROLLOUT_STATUS,
            "tags": [],
            "owners": [],
            "createdAt": iso(flag["creation_time"]),
        }


def _environment(environment: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": environment["id"],
        "name": environment["name"],
        "isProduction": environment["production"],
        "status": "ACTIVE",
    }


def _definition(flag: dict[str, Any], environment: dict[str, Any]) -> dict[str, Any]:
    return {
        "featureFlag": {"name": flag["name"]},
        "environment": {"name": environment["name"]},
        "treatments": [{"name": "on"}, {"name": "off"}],
        "defaultTreatment": "off",
        "baselineTreatment": "off",
        "trafficAllocation": 100,
        "isKilled": False,
        "impressions": {"lastImpressionAt": None},
    }
