"""Workspaces with their environments, traffic types and feature flags, as the sandbox keeps them.

A workspace of the Admin API v2 is a project of a Harness account in the API v4; both APIs show the same things.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal

import msgspec

from split_amplitude_sandbox.clock import Clock
from split_amplitude_sandbox.split import seed
from split_amplitude_sandbox.split.answers import RefusedError
from split_amplitude_sandbox.store import Store

WORKSPACE, ENVIRONMENT, TRAFFIC_TYPE, FLAG = "workspace", "environment", "traffic type", "feature flag"

Status = Literal["ACTIVE", "ARCHIVED"]


class Workspace(msgspec.Struct):
    """A workspace. One without the three Harness members does not exist in v4."""

    id: str
    name: str
    type: str = "workspace"
    requiresTitleAndComments: bool = False  # noqa: N815 - the API's name
    account_id: str | None = None
    organizationIdentifier: str | None = None  # noqa: N815 - the API's name
    projectIdentifier: str | None = None  # noqa: N815 - the API's name


class Environment(msgspec.Struct):
    """An environment of a workspace; `approval_skippable_by` are tokens that may write without an approval."""

    id: str
    name: str
    production: bool = False
    workspace_id: str = seed.WORKSPACE_ID
    approvals_required: bool = False
    approval_skippable_by: list[str] = []


class TrafficType(msgspec.Struct):
    """A traffic type of a workspace."""

    id: str
    name: str
    workspace_id: str = seed.WORKSPACE_ID


class FeatureFlag(msgspec.Struct):
    """A feature flag of a workspace; `traffic_type` is a name, `creation_time` is in epoch milliseconds."""

    name: str
    traffic_type: str = "user"
    description: str | None = None
    workspace_id: str = seed.WORKSPACE_ID
    creation_time: int = 0
    status: Status = "ACTIVE"


KINDS: dict[str, tuple[str, type[msgspec.Struct]]] = {
    "workspaces": (WORKSPACE, Workspace),
    "environments": (ENVIRONMENT, Environment),
    "traffic-types": (TRAFFIC_TYPE, TrafficType),
    "feature-flags": (FLAG, FeatureFlag),
}
"""By their name in the sandbox's own API: how the store calls them, and their members."""


class Workspaces:
    """The workspaces, and what the other parts of Split need to know of one."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    def seed(self) -> None:
        """Plant the one workspace of a new sandbox."""
        self.put("workspaces", seed.WORKSPACES)
        self.put("environments", seed.ENVIRONMENTS)
        self.put("traffic-types", seed.TRAFFIC_TYPES)
        self.put("feature-flags", seed.FEATURE_FLAGS)

    def put(self, kind: str, given: Iterable[dict[str, Any]]) -> None:
        """Plant objects of one of `KINDS`, or change the given members of those that exist."""
        document, struct = KINDS[kind]
        for one in given:
            identity, added = str(one.get("id")), one
            if document == FLAG:
                identity = f"{one.get('workspace_id', seed.WORKSPACE_ID)}/{one.get('name')}"
                added = {"creation_time": self._clock.now_ms()} | one
            known = self._store.document(document, identity) or {}
            self._store.put_document(document, identity, msgspec.convert(known | added, struct))

    def all(self) -> list[dict[str, Any]]:
        """All workspaces."""
        return self._store.documents(WORKSPACE)

    def workspace(self, workspace_id: str) -> dict[str, Any]:
        """A workspace by its id, or 404."""
        return _found(self._store.document(WORKSPACE, workspace_id), "Workspace not found")

    def project(self, account_id: str, organization: str, project: str) -> dict[str, Any]:
        """The workspace that is a project of a Harness account, or 404."""
        wanted = (account_id, organization, project)
        for one in self.all():
            if (one["account_id"], one["organizationIdentifier"], one["projectIdentifier"]) == wanted:
                return one
        raise RefusedError(404, "Project not found")

    def environments(self, workspace_id: str) -> list[dict[str, Any]]:
        """A workspace's environments."""
        return self._of_workspace(ENVIRONMENT, workspace_id)

    def environment(self, environment_id: str, workspace_id: str | None = None) -> dict[str, Any]:
        """An environment by its id, of one workspace or of any, or 404."""
        found: dict[str, Any] | None = self._store.document(ENVIRONMENT, environment_id)
        if found is not None and workspace_id not in {None, found["workspace_id"]}:
            found = None
        return _found(found, "Environment not found")

    def traffic_types(self, workspace_id: str) -> list[dict[str, Any]]:
        """A workspace's traffic types: `{id, name}`."""
        return [{"id": one["id"], "name": one["name"]} for one in self._of_workspace(TRAFFIC_TYPE, workspace_id)]

    def traffic_type(self, workspace_id: str, id_or_name: str) -> dict[str, Any]:
        """A workspace's traffic type: `{id, name}`, or 404."""
        for one in self.traffic_types(workspace_id):
            if id_or_name in (one["id"], one["name"]):
                return one
        raise RefusedError(404, "Traffic type not found")

    def flags(self, workspace_id: str) -> list[dict[str, Any]]:
        """A workspace's feature flags."""
        return self._of_workspace(FLAG, workspace_id)

    def flag(self, workspace_id: str, name: str) -> dict[str, Any]:
        """A feature flag by its name, or 404."""
        return _found(self._store.document(FLAG, f"{workspace_id}/{name}"), "Feature flag not found")

    def event_names(self) -> tuple[set[str], set[str]]:
        """The names of traffic types and of environments that an event may carry."""
        return (
            {one["name"] for one in self._store.documents(TRAFFIC_TYPE)},
            {one["name"] for one in self._store.documents(ENVIRONMENT)},
        )

    def _of_workspace(self, kind: str, workspace_id: str) -> list[dict[str, Any]]:
        return [one for one in self._store.documents(kind) if one["workspace_id"] == workspace_id]


def _found(document: dict[str, Any] | None, message: str) -> dict[str, Any]:
    if document is None:
        raise RefusedError(404, message)
    return document
