"""Split's Admin API v2, which Harness calls "Legacy Split" (https://docs.split.io/reference)."""

from __future__ import annotations

from functools import cached_property
from typing import Any

from tap_split_impressions.api.client import (
    BARE,
    BEARER,
    Access,
    AdminClient,
    Refusals,
    Rows,
    all_pages,
    part,
    rows_of,
)
from tap_split_impressions.common.errors import ConnectorError, hint

BASE_PATH = "/internal/api/v2"
DEFAULT_URL = "https://api.split.io"
PAGE = 50  # the largest that flags allow
UNKNOWN = (400, 403, 404)  # answers for a workspace that does not exist, or whose name was given

REFUSALS = Refusals(
    key="It must be an Admin API key, or a Harness token (pat. or sat.) whose service account may view the project; an "
    "SDK key is not one. Create one in Split under Admin settings, API keys, or in Harness under Account settings, "
    "Access control, Service accounts.",
    permission="Give it a role that may read the workspace: API_ALL_GRANTED or API_WORKSPACE_ADMIN, with a Harness "
    "token view on Environments, Traffic Types, Feature Flags and Segments.",
    scope="Check 'workspace_id'.",
)


class AdminV2:
    """The lists of a workspace over v2.

    Args:
        access: How it is reached.
        auth_header: The header that carries the key first; the other one is tried where Split answers 401.
        workspace: Id or name of the workspace; None to look it up by the Harness organization and project.
    """

    def __init__(
        self, access: Access, auth_header: str, workspace: str | None, organization: str | None, project: str | None
    ) -> None:
        other = BARE if auth_header.lower() == BEARER.lower() else BEARER
        self._client = AdminClient(access, BASE_PATH, [auth_header, other], {}, REFUSALS)
        self._given = workspace
        self._organization = organization
        self._project = project

    @property
    def scope(self) -> str:
        """The workspace's id."""
        return self._workspace[0]

    @cached_property
    def _workspace(self) -> tuple[str, Rows]:
        """The workspace's id and its environments."""
        if self._given is None:
            query = {"organizationIdentifier": self._organization, "projectIdentifier": self._project}
            found = self._workspaces(**query)
            found = [one for one in found if one.get("projectIdentifier") in (self._project, None)]
            if len(found) != 1:
                raise ConnectorError(
                    f"Settings 'organization' and 'project': no workspace belongs to project '{self._project}' of "
                    f"organization '{self._organization}'. Check both, or set 'workspace_id'."
                )
            return found[0]["id"], self._environments(found[0]["id"]) or []
        # As an id first: a key may read a workspace without being allowed to list all.
        environments = self._environments(self._given)
        if environments is not None:
            return self._given, environments
        workspaces = self._workspaces()
        for one in workspaces:
            if self._given in (one.get("id"), one.get("name")):
                return one["id"], self._environments(one["id"]) or []
        names = sorted(str(one.get("name")) for one in workspaces)
        raise ConnectorError(
            f"Setting 'workspace_id': there is no workspace '{self._given}'. There are: {', '.join(names) or 'none'}."
            f"{hint(self._given, names)}"
        )

    def _workspaces(self, **query: Any) -> Rows:
        return all_pages(self._client, "/workspaces", "workspaces", PAGE, **query)

    def _environments(self, workspace: str) -> Rows | None:
        """Return a workspace's environments; None when there is no workspace with that id."""
        page = self._client.get(f"/environments/ws/{part(workspace)}", "environments", expected=UNKNOWN)
        return None if page is None else rows_of(page, "environments")

    @property
    def environments(self) -> Rows:
        """Environments: `{id, name, production}`."""
        return self._workspace[1]

    @cached_property
    def traffic_types(self) -> Rows:
        """Traffic types: `{id, name, displayAttributeId}`."""
        return rows_of(self._client.get(f"/trafficTypes/ws/{part(self.scope)}", "traffic types"), "traffic types")

    @cached_property
    def feature_flags(self) -> Rows:
        """Feature flags: `{id, name, trafficType: {id, name}, creationTime, rolloutStatus, …}`."""
        return all_pages(self._client, f"/splits/ws/{part(self.scope)}", "feature flags", PAGE)

    @cached_property
    def segments(self) -> Rows:
        """Segments: `{name, description, trafficType: {id, name}, creationTime, tags}`."""
        return all_pages(self._client, f"/segments/ws/{part(self.scope)}", "segments", PAGE)
