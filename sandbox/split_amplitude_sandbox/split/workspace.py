"""Workspaces with their environments, traffic types and feature flags: the Admin API's lookups.

Source: https://docs.split.io/reference, "Workspaces", "Environments", "Traffic types", "Feature flags".
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from split_amplitude_sandbox.answers import json_answer
from split_amplitude_sandbox.clock import Clock
from split_amplitude_sandbox.split import seed
from split_amplitude_sandbox.split.answers import RefusedError, require_key
from split_amplitude_sandbox.store import Store

BASE = "/internal/api/v2"
DEFAULT_LIMIT = 20
MAX_LIMIT = 50
"""The sources name 50 to 1,000 for the largest page; whoever asks for more gets this many."""

WORKSPACE, ENVIRONMENT, TRAFFIC_TYPE, FLAG = "workspace", "environment", "traffic type", "feature flag"


class Workspace(msgspec.Struct):
    """A workspace."""

    id: str
    name: str
    type: str = "workspace"
    requiresTitleAndComments: bool = False  # noqa: N815 - the API's name


class Environment(msgspec.Struct):
    """An environment of a workspace."""

    id: str
    name: str
    production: bool = False
    workspace_id: str = seed.WORKSPACE_ID


class TrafficType(msgspec.Struct):
    """A traffic type of a workspace."""

    id: str
    name: str
    workspace_id: str = seed.WORKSPACE_ID


class FeatureFlag(msgspec.Struct):
    """A feature flag of a workspace; `traffic_type` is a name."""

    name: str
    traffic_type: str = "user"
    description: str | None = None
    workspace_id: str = seed.WORKSPACE_ID
    creation_time: int = 0


class Workspaces:
    """The lookups, and what the other parts of Split need to know of a workspace."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    def routes(self) -> list[Route]:
        """The Admin API's lookups."""
        paths = {
            "/workspaces": self.workspaces,
            "/environments/ws/{workspace_id}": self.environments,
            "/trafficTypes/ws/{workspace_id}": self.traffic_types,
            "/splits/ws/{workspace_id}": self.flags,
            "/splits/ws/{workspace_id}/{flag}": self.flag,
            "/splits/ws/{workspace_id}/environments/{environment_id}": self.definitions,
        }
        return [Route(BASE + path, endpoint, methods=["GET"]) for path, endpoint in paths.items()]

    def seed(self) -> None:
        """Plant the one workspace of a new sandbox."""
        self.put_workspaces(msgspec.convert(seed.WORKSPACES, list[Workspace]))
        self.put_environments(msgspec.convert(seed.ENVIRONMENTS, list[Environment]))
        self.put_traffic_types(msgspec.convert(seed.TRAFFIC_TYPES, list[TrafficType]))
        self.put_flags(msgspec.convert(seed.FEATURE_FLAGS, list[FeatureFlag]))

    def put_workspaces(self, given: Iterable[Workspace]) -> None:
        """Plant workspaces, or change them."""
        for one in given:
            self._store.put_document(WORKSPACE, one.id, one)

    def put_environments(self, given: Iterable[Environment]) -> None:
        """Plant environments, or change them."""
        for one in given:
            self._store.put_document(ENVIRONMENT, one.id, one)

    def put_traffic_types(self, given: Iterable[TrafficType]) -> None:
        """Plant traffic types, or change them."""
        for one in given:
            self._store.put_document(TRAFFIC_TYPE, one.id, one)

    def put_flags(self, given: Iterable[FeatureFlag]) -> None:
        """Plant feature flags, or change them."""
        for one in given:
            one.creation_time = one.creation_time or self._clock.now_ms()
            self._store.put_document(FLAG, f"{one.workspace_id}/{one.name}", one)

    async def workspaces(self, request: Request) -> Response:
        """All workspaces, or those whose name fits."""
        require_key(request, harness_header=True)
        found = self._store.documents(WORKSPACE)
        if name := request.query_params.get("name"):
            operation = request.query_params.get("nameOp", "IS")
            found = [one for one in found if _name_fits(one["name"], name, operation)]
        return json_answer(page(request, found))

    async def environments(self, request: Request) -> Response:
        """A workspace's environments: a bare array."""
        workspace = self.workspace_of(request)
        found = self._of_workspace(ENVIRONMENT, workspace["id"])
        return json_answer([{name: one[name] for name in ("id", "name", "production")} for one in found])

    async def traffic_types(self, request: Request) -> Response:
        """A workspace's traffic types: a bare array."""
        workspace = self.workspace_of(request)
        found = self._of_workspace(TRAFFIC_TYPE, workspace["id"])
        return json_answer([{"id": one["id"], "name": one["name"], "displayAttributeId": None} for one in found])

    async def flags(self, request: Request) -> Response:
        """A workspace's feature flags."""
        workspace = self.workspace_of(request)
        return json_answer(page(request, [self._flag(one) for one in self._of_workspace(FLAG, workspace["id"])]))

    async def flag(self, request: Request) -> Response:
        """One feature flag."""
        workspace = self.workspace_of(request)
        found = self._store.document(FLAG, f"{workspace['id']}/{request.path_params['flag']}")
        if found is None:
            raise RefusedError(404, "Feature flag not found")
        return json_answer(self._flag(found))

    async def definitions(self, request: Request) -> Response:
        """The definitions of a workspace's flags in one environment."""
        workspace = self.workspace_of(request)
        environment = self.environment(request.path_params["environment_id"])
        found = [
            self._flag(one)
            | {"environment": {"id": environment["id"], "name": environment["name"]}}
            | {"killed": False, "treatments": [{"name": "on"}, {"name": "off"}], "defaultTreatment": "off"}
            for one in self._of_workspace(FLAG, workspace["id"])
        ]
        return json_answer(page(request, found))

    def workspace_of(self, request: Request) -> dict[str, Any]:
        """The workspace in the request's path, for somebody with a key.

        Raises:
            RefusedError: 401, or 404.
        """
        require_key(request, harness_header=True)
        found: dict[str, Any] | None = self._store.document(WORKSPACE, request.path_params["workspace_id"])
        if found is None:
            raise RefusedError(404, "Workspace not found")
        return found

    def workspace(self, workspace_id: str) -> dict[str, Any]:
        """A workspace that is known to be there."""
        found: dict[str, Any] = self._store.document(WORKSPACE, workspace_id)
        return found

    def environment(self, environment_id: str) -> dict[str, Any]:
        """An environment by its id.

        Raises:
            RefusedError: 404.
        """
        found: dict[str, Any] | None = self._store.document(ENVIRONMENT, environment_id)
        if found is None:
            raise RefusedError(404, "Environment not found")
        return found

    def traffic_type(self, workspace_id: str, id_or_name: str) -> dict[str, Any]:
        """A workspace's traffic type: `{id, name}`.

        Raises:
            RefusedError: 404.
        """
        for one in self._of_workspace(TRAFFIC_TYPE, workspace_id):
            if id_or_name in (one["id"], one["name"]):
                return {"id": one["id"], "name": one["name"]}
        raise RefusedError(404, "Traffic type not found")

    def event_names(self) -> tuple[set[str], set[str]]:
        """The traffic types and the environments that an event may name."""
        return (
            {one["name"] for one in self._store.documents(TRAFFIC_TYPE)},
            {one["name"] for one in self._store.documents(ENVIRONMENT)},
        )

    def _of_workspace(self, kind: str, workspace_id: str) -> list[dict[str, Any]]:
        return [one for one in self._store.documents(kind) if one["workspace_id"] == workspace_id]

    def _flag(self, flag: dict[str, Any]) -> dict[str, Any]:
        return {
            "id": f"flag-{flag['name']}",
            "name": flag["name"],
            "description": flag["description"],
            "trafficType": self.traffic_type(flag["workspace_id"], flag["traffic_type"]),
            "creationTime": flag["creation_time"],
            "rolloutStatus": None,
            "tags": [],
            "owners": [],
        }


def page(request: Request, found: list[Any]) -> dict[str, Any]:
    """The part of a list that `offset` and `limit` ask for, in the API's envelope."""
    offset, limit = bounds(request, DEFAULT_LIMIT, MAX_LIMIT)
    return {"objects": found[offset : offset + limit], "offset": offset, "limit": limit, "totalCount": len(found)}


def bounds(request: Request, default_limit: int, max_limit: int) -> tuple[int, int]:
    """`offset` and `limit` of a request.

    Raises:
        RefusedError: 400 when one is no number, or is negative.
    """
    try:
        offset = int(request.query_params.get("offset", 0))
        limit = int(request.query_params.get("limit", default_limit))
    except ValueError:
        raise RefusedError(400, "offset and limit must be numbers") from None
    if offset < 0 or limit < 1:
        raise RefusedError(400, "offset must not be negative, limit must be 1 at least")
    return offset, min(limit, max_limit)


def _name_fits(name: str, wanted: str, operation: str) -> bool:
    if operation == "IS":
        return name == wanted
    if operation == "STARTS_WITH":
        return name.startswith(wanted)
    if operation == "CONTAINS":
        return wanted in name
    raise RefusedError(400, "nameOp must be IS, STARTS_WITH or CONTAINS")
