"""Split's Admin API v2, which Harness calls "Legacy Split" (https://docs.split.io/reference)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

from target_split.api.admin import Action, Change, Environment, Segment
from target_split.api.admin_calls import BARE, BEARER, AdminCalls, Dialect, part
from target_split.api.client import Host
from target_split.api.pages import all_keys, as_text, required_text, total_of
from target_split.common.errors import ConnectorError, hint

ADMIN_URL = "https://api.split.io"

# Pages of keys: 100 is the usual size, the largest is not published. A refusal of more leads back to it.
LARGE_KEY_PAGE = 10_000
USUAL_KEY_PAGE = 100

WORKSPACES, ENVIRONMENTS = "list workspaces", "list environments"
TRAFFIC_TYPES, SEGMENTS = "list traffic types", "list segments"

# https://developer.harness.io/docs/feature-management-experimentation/api/approvals
OPERATIONS: dict[Action, str] = {"add": "CREATE", "remove": "ARCHIVE"}

DIALECT = Dialect(
    base="/internal/api/v2",
    rows="objects",
    page=50,  # the sources name largest pages from 50 to 1,000
    key="It must be an Admin API key, or a Harness token (pat. or sat.) whose service account has the role FME "
    "Manager in the project; an SDK key is not one. Make one in Split under Admin settings, API keys, or in Harness "
    "under Account settings, Access control, Service accounts.",
    permission="Segments need the role API_SEGMENT_EDITOR or more, with a Harness token FME Manager.",
    scope="Check 'workspace_id' and 'environment'.",
    governance=False,
)


class LargePageError(Exception):
    """Split refuses a page of keys of this size."""


class AdminV2:
    """The calls of `AdminApi` over v2.

    Args:
        host: Where to.
        auth_header: The header that carries the key first; the other one is tried where Split answers 401.
        workspace: Id or name of the workspace; None to look it up by the project.
        organization: Identifier of the Harness organization.
        project: Identifier of the Harness project.
    """

    def __init__(
        self, host: Host, auth_header: str, workspace: str | None, organization: str | None, project: str | None
    ) -> None:
        other = BARE if auth_header.lower() == BEARER.lower() else BEARER
        self._calls = AdminCalls(host, DIALECT, [auth_header, other], {})
        self._given = workspace
        self._organization = organization
        self._project = project

    @property
    def scope(self) -> str:
        """The workspace's id."""
        return self._place[0]

    @cached_property
    def _place(self) -> tuple[str, list[Environment]]:
        """The workspace's id and its environments."""
        given = self._given
        if given is None:
            listed = self._workspaces(organizationIdentifier=self._organization, projectIdentifier=self._project)
            found = [one for one in listed if self._project in (one.get("projectIdentifier"), None)] or listed
            if len(found) != 1:
                raise ConnectorError(
                    f"Settings 'organization' and 'project': no workspace belongs to project '{self._project}' of "
                    f"organization '{self._organization}'. Check both, or set 'workspace_id'."
                )
            return found[0]["id"], self._environments(found[0]["id"]) or []
        # As an id first: a key that may only edit segments may not be allowed to list workspaces.
        environments = self._environments(given)
        if environments is not None:
            return given, environments
        workspaces = self._workspaces()
        for workspace in workspaces:
            if given in (workspace["id"], workspace["name"]):
                return workspace["id"], self._environments(workspace["id"]) or []
        names = sorted(workspace["name"] for workspace in workspaces)
        raise ConnectorError(
            f"Setting 'workspace_id': there is no workspace '{given}'. There are: {', '.join(names) or 'none'}."
            f"{hint(given, names)}"
        )

    def _workspaces(self, **query: Any) -> list[dict[str, Any]]:
        workspaces = self._calls.listed("/workspaces", WORKSPACES, **query)
        for one in workspaces:
            for name in ("id", "name"):
                required_text(one, name, WORKSPACES)
        return workspaces

    def _environments(self, workspace: str) -> list[Environment] | None:
        """Return a workspace's environments; None when there is no such workspace."""
        path = f"/environments/ws/{part(workspace)}"
        answer = self._calls.call("GET", path, ENVIRONMENTS, expected=(400, 403, 404))
        if answer.status != 200:
            return None
        return [
            Environment(*(required_text(one, name, ENVIRONMENTS) for name in ("id", "name")))
            for one in self._calls.rows(answer.json, ENVIRONMENTS)
        ]

    def environments(self) -> list[Environment]:
        """Return the environments of the workspace."""
        return self._place[1]

    def traffic_types(self) -> list[str]:
        """Return the names of the workspace's traffic types."""
        answer = self._calls.call("GET", f"/trafficTypes/ws/{part(self.scope)}", TRAFFIC_TYPES)
        return [as_text(one, "name") for one in self._calls.rows(answer.json, TRAFFIC_TYPES)]

    def segments(self) -> dict[str, Segment]:
        """Return the workspace's standard segments by name."""
        found: dict[str, Segment] = {}
        for one in self._calls.listed(f"/segments/ws/{part(self.scope)}", SEGMENTS):
            name = required_text(one, "name", SEGMENTS)
            found[name] = Segment(name, as_text(one.get("trafficType"), "name"), as_text(one, "description"))
        return found

    def active_segments(self, environment: str) -> set[str]:
        """Return the names of the standard segments that an environment has."""
        path = f"/segments/ws/{part(self.scope)}/environments/{part(environment)}"
        return {required_text(one, "name", SEGMENTS) for one in self._calls.listed(path, SEGMENTS)}

    def create_segment(self, segment: Segment) -> bool:
        """Create a segment; return False when one of that name exists."""
        path = f"/segments/ws/{part(self.scope)}/trafficTypes/{part(segment.traffic_type)}"
        body = {"name": segment.name, "description": segment.description}
        return self._calls.create(path, f"create segment '{segment.name}'", body)

    def activate_segment(self, environment: str, name: str) -> None:
        """Give an environment a segment, and wait until its keys can be read and changed."""
        path, what = segment_path(environment, name), f"activate segment '{name}'"
        self._calls.create(path, what, {})
        self._calls.await_keys(f"{path}/keys", what, limit=1)

    def key_count(self, environment: str, name: str) -> int | None:
        """Return how many keys a segment holds."""
        return total_of(self._key_page(environment, name, 0, 1))

    def open_change_request(self, environment: str, name: str) -> str | None:
        """Return the id of a segment's open change request, if it has one."""
        return as_text(self._key_page(environment, name, 0, 1), "openChangeRequestId") or None

    def keys(self, environment: str, name: str) -> set[str]:
        """Return all keys of a segment."""
        try:
            return self._keys(environment, name, LARGE_KEY_PAGE)
        except LargePageError:
            return self._keys(environment, name, USUAL_KEY_PAGE)

    def _keys(self, environment: str, name: str, limit: int) -> set[str]:
        return all_keys(name, lambda offset: self._key_page(environment, name, offset, limit), limit)

    def _key_page(self, environment: str, name: str, offset: int, limit: int) -> dict[str, Any]:
        path, what = f"{segment_path(environment, name)}/keys", f"read the keys of segment '{name}'"
        expected = (400,) if limit > USUAL_KEY_PAGE else ()
        answer = self._calls.call("GET", path, what, expected=expected, offset=offset, limit=limit)
        listed = answer.json
        if answer.status == 400:
            raise LargePageError
        if not isinstance(listed, dict) or not isinstance(listed.get("keys"), list):
            raise ConnectorError(f"Cannot {what}: Split's answer is not a list of keys.")
        return listed

    def change_keys(self, environment: str, name: str, action: Action, keys: Sequence[str], change: Change) -> None:
        """Add keys to a segment, or remove them: at most 10,000."""
        self._calls.call(
            "PUT",
            f"{segment_path(environment, name)}/{'uploadKeys' if action == 'add' else 'removeKeys'}",
            f"change the keys of segment '{name}'",
            body={"keys": keys, "title": change.title, "comment": change.comment},
            replace="false" if action == "add" else None,
        )

    def request_change(self, environment: str, name: str, action: Action, keys: Sequence[str], change: Change) -> str:
        """Open a change request for keys; return its id."""
        answer = self._calls.call(
            "POST",
            f"/changeRequests/ws/{part(self.scope)}/environments/{part(environment)}",
            f"open a change request for segment '{name}'",
            body={
                "segment": {"name": name, "keys": keys},
                "operationType": OPERATIONS[action],
                "title": change.title,
                "comment": change.comment,
                "approvers": [],
            },
        )
        return as_text(answer.json, "id")

    def event_types(self, part: str) -> None:
        """Return None: v2 does not tell which event types Split has seen."""


def segment_path(environment: str, name: str) -> str:
    """Return the path of a segment in an environment."""
    return f"/segments/{part(environment)}/{part(name)}"
