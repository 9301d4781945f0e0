"""Lookups of the API v4: environments, traffic types, rollout statuses, feature flags, event types.

Source: the vendor's clients (`harness/cli`, `harness/mcp-server`).
"""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from split_amplitude_sandbox.answers import json_answer
from split_amplitude_sandbox.calls import call
from split_amplitude_sandbox.clock import MILLISECONDS_PER_HOUR
from split_amplitude_sandbox.split.answers import RefusedError
from split_amplitude_sandbox.split.v4.calls import V4Calls, iso, required

FLAGS_PAGE = 50
"""The CLI says 100 at most, the MCP server 50; the sandbox plays the smaller figure."""
RECENT_MS = 30 * 24 * MILLISECONDS_PER_HOUR
EVENT_TYPES = """
SELECT DISTINCT json_extract(text, '$.eventTypeId') AS name, json_extract(text, '$.trafficTypeName')
FROM (SELECT CAST(event AS TEXT) AS text FROM split_events)
WHERE json_extract(text, '$.timestamp') >= ? ORDER BY name
"""
ROLLOUT_STATUS = {"id": "rollout-ramping", "name": "Ramping"}


class Lookups(V4Calls):
    """The calls that only read."""

    @call("GET", "/environments")
    async def environments(self, request: Request) -> Response:
        """List environments: `{id, name, isProduction, status}`."""
        workspace, _ = self._scope(request, "environments:view")
        environments = self._services.workspaces.environments(workspace["id"])
        return self._page(request, [_environment(one) for one in environments])

    @call("GET", "/environments/{environment_id}")
    async def environment(self, request: Request) -> Response:
        """Show one environment."""
        workspace, _ = self._scope(request, "environments:view")
        environment_id = request.path_params["environment_id"]
        return json_answer(_environment(self._services.workspaces.environment(environment_id, workspace["id"])))

    @call("GET", "/traffic-types")
    async def traffic_types(self, request: Request) -> Response:
        """List traffic types: `{type, id, name}`."""
        workspace, _ = self._scope(request, "traffic-types:view")
        found = [{"type": "traffic-type", **one} for one in self._services.workspaces.traffic_types(workspace["id"])]
        return self._page(request, found)

    @call("GET", "/rollout-statuses")
    async def rollout_statuses(self, request: Request) -> Response:
        """List rollout statuses: `{id, name}`."""
        self._scope(request, "feature-flags:view")
        return self._page(request, [ROLLOUT_STATUS])

    @call("GET", "/feature-flags")
    async def flags(self, request: Request) -> Response:
        """List feature flags; `name` and `status` choose some."""
        workspace, _ = self._scope(request, "feature-flags:view")
        query = request.query_params
        found = [
            self._flag(one)
            for one in self._services.workspaces.flags(workspace["id"])
            if query.get("name", "") in one["name"] and query.get("status", one["status"]) == one["status"]
        ]
        return self._page(request, found, limit=FLAGS_PAGE)

    @call("GET", "/feature-flags/{flag}")
    async def flag(self, request: Request) -> Response:
        """Show one feature flag."""
        workspace, _ = self._scope(request, "feature-flags:view")
        return json_answer(self._flag(self._services.workspaces.flag(workspace["id"], request.path_params["flag"])))

    @call("GET", "/feature-flag-definitions")
    async def definitions(self, request: Request) -> Response:
        """List the definitions of one feature flag, one per environment."""
        workspace, _ = self._scope(request, "feature-flags:view")
        flag = self._services.workspaces.flag(workspace["id"], required(request, "feature_flag_name"))
        environments = self._services.workspaces.environments(workspace["id"])
        return self._page(request, [_definition(flag, one) for one in environments])

    @call("GET", "/feature-flag-definitions/{flag}")
    async def definition(self, request: Request) -> Response:
        """Show the definition of a feature flag in one environment."""
        environment, workspace, _ = self._target(request, "feature-flags:view")
        flag = self._services.workspaces.flag(workspace["id"], request.path_params["flag"])
        return json_answer(_definition(flag, environment))

    @call("GET", "/event-types")
    async def event_types(self, request: Request) -> Response:
        """List event types with events in the last 30 days; `name` (a part of it) and `traffic_type` choose some."""
        workspace, _ = self._scope(request, "event-types:view")
        query = request.query_params
        found = [one for one in self._recent(workspace["id"]) if query.get("name", "") in one["id"]]
        if "traffic_type" in query:
            name = self._services.workspaces.traffic_type(workspace["id"], query["traffic_type"])["name"]
            found = [one for one in found if {"name": name} in one["trafficTypes"]]
        return self._page(request, found)

    @call("GET", "/event-types/{event_type}")
    async def event_type(self, request: Request) -> Response:
        """Show one event type."""
        workspace, _ = self._scope(request, "event-types:view")
        for one in self._recent(workspace["id"]):
            if one["id"] == request.path_params["event_type"]:
                return json_answer(one)
        raise RefusedError(404, "Event type not found")

    def _recent(self, workspace_id: str) -> list[dict[str, Any]]:
        """Event types of the project with events in the last 30 days, by the events' own timestamps."""
        traffic_types = {one["name"] for one in self._services.workspaces.traffic_types(workspace_id)}
        unseen = self._services.settings.current.unseen_event_types
        found: dict[str, list[dict[str, str]]] = {}
        earliest = self._services.clock.now_ms() - RECENT_MS
        for name, traffic_type in self._services.store.database.execute(EVENT_TYPES, (earliest,)):
            if traffic_type in traffic_types and not any(fnmatchcase(name, one) for one in unseen):
                found.setdefault(name, []).append({"name": traffic_type})
        return [{"id": name, "trafficTypes": names} for name, names in found.items()]

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
