"""Harness FME API v4 (https://developer.harness.io/api-reference). What its pages leave open is read both ways."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from target_split.api.admin import Action, Change, Environment, PendingApprovalError, RefusedError, Segment
from target_split.api.admin_calls import BARE, AdminCalls, Dialect, part
from target_split.api.client import Host
from target_split.api.pages import all_keys, as_text, total_of

ADMIN_URL = "https://app.harness.io"

# Default and largest page of every list.
PAGE = 100

STANDARD = "STANDARD"

# Policies may turn a write into one that waits for an approval.
WAITING = frozenset({"pending", "requested"})

# Harness tokens: kind, account, and the rest, joined by dots.
TOKEN_KINDS = frozenset({"pat", "sat"})

DIALECT = Dialect(
    base="/fme/api/v4",
    rows="data",
    page=PAGE,
    key="It must be a Harness token (pat. or sat.), as FME API v4 takes no Admin API key of Split. Make one in Harness "
    "under Account settings, Access control, Service accounts; for an Admin API key of Split set 'workspace_id' in "
    "place of 'organization' and 'project'.",
    permission="Its service account needs the role FME Manager in the project: Harness, Project settings, Access "
    "control, Role bindings, with a resource group that holds segments and the environment.",
    scope="Check 'account', 'organization', 'project' and 'environment'.",
    governance=True,
)


def account_of(token: str) -> str | None:
    """Return the account id that a Harness token names; None where it is not such a token."""
    kind, _, rest = token.partition(".")
    account = rest.partition(".")[0]
    return account if kind in TOKEN_KINDS and account else None


class AdminV4:
    """The calls of `AdminApi` over v4. Account, organization and project are given by their identifiers."""

    def __init__(self, host: Host, account: str, organization: str, project: str) -> None:
        self.scope = f"{account}/{organization}/{project}"
        query = {"account_id": account, "organization_identifier": organization, "project_identifier": project}
        self._calls = AdminCalls(host, DIALECT, [BARE], query)

    def environments(self) -> list[Environment]:
        """Return the environments of the project."""
        listed = self._listed("/environments", "list environments")
        return [Environment(as_text(one, "id"), as_text(one, "name")) for one in listed]

    def traffic_types(self) -> list[str]:
        """Return the names of the project's traffic types."""
        return [as_text(one, "name") for one in self._listed("/traffic-types", "list traffic types")]

    def segments(self) -> dict[str, Segment]:
        """Return the project's standard segments by name."""
        found: dict[str, Segment] = {}
        for one in self._listed("/segments", "list segments", segment_type=STANDARD, status="ACTIVE"):
            name = as_text(one, "name")
            found[name] = Segment(name, as_text(one.get("trafficType"), "name"), as_text(one, "description"))
        return found

    def active_segments(self, environment: str) -> set[str]:
        """Return the names of the standard segments that an environment has."""
        listed = self._listed("/segment-definitions", "list segment definitions", environment_id=environment)
        return {as_text(one.get("segment") or one, "name") for one in listed}

    def create_segment(self, segment: Segment) -> bool:
        """Create a segment; return False when one of that name exists."""
        body = {
            "name": segment.name,
            "trafficType": segment.traffic_type,
            "segmentType": STANDARD,
            "description": segment.description,
        }
        return self._calls.create("/segments", f"create segment '{segment.name}'", body)

    def activate_segment(self, environment: str, name: str) -> None:
        """Give an environment a segment, and wait until its keys can be read and changed."""
        path, what = definition_path(name), f"activate segment '{name}'"
        self._calls.create(path, what, {}, environment_id=environment)
        self._calls.await_keys(f"{path}/keys", what, environment_id=environment, offset=0, limit=1)

    def key_count(self, environment: str, name: str) -> int | None:
        """Return how many keys a segment holds; None where the answer has no total."""
        return total_of(self._key_page(environment, name, 0, 1))

    def keys(self, environment: str, name: str) -> set[str]:
        """Return all keys of a segment."""
        return all_keys(name, lambda offset: self._key_page(environment, name, offset, PAGE), PAGE)

    def _key_page(self, environment: str, name: str, offset: int, limit: int) -> Any:
        path, what = f"{definition_path(name)}/keys", f"read the keys of segment '{name}'"
        return self._calls.call("GET", path, what, environment_id=environment, offset=offset, limit=limit).json

    def change_keys(self, environment: str, name: str, action: Action, keys: Sequence[str], change: Change) -> None:
        """Add keys to a segment, or remove them: at most 10,000. A replacement would erase all others."""
        answer = self._calls.call(
            "POST",
            f"{definition_path(name)}/keys" + ("/remove" if action == "remove" else ""),
            f"change the keys of segment '{name}'",
            body={"keys": keys, "title": change.title, "comment": change.comment},
            environment_id=environment,
        ).json
        governance = answer.get("governance") if isinstance(answer, dict) else None
        if as_text(governance, "status").lower() in WAITING:
            raise PendingApprovalError("the change waits for approval in Harness")

    def request_change(self, environment: str, name: str, action: Action, keys: Sequence[str], change: Change) -> str:
        """Refuse: no call of v4 is known that opens a change request."""
        raise RefusedError(
            "FME API v4 has no call that opens a change request; set 'on_approval' to 'stop', or use 'admin_api': 'v2'"
        )

    def open_change_request(self, environment: str, name: str) -> str | None:
        """Return None: only v2 opens change requests."""
        return None

    def event_types(self, part: str) -> set[str]:
        """Return the names of event types with a text in them that Split has seen in the last 30 days."""
        listed = self._listed("/event-types", "list event types", name=part or None)
        return {as_text(one, "id") or as_text(one, "name") for one in listed}

    def _listed(self, path: str, what: str, **query: Any) -> list[dict[str, Any]]:
        """Return the objects of a list, without the envelope that writes have, and reads may have."""
        rows = self._calls.listed(path, what, **query)
        return [one["entity"] if isinstance(one.get("entity"), dict) else one for one in rows]


def definition_path(name: str) -> str:
    """Return the path of a segment's definition in an environment."""
    return f"/segment-definitions/{part(name)}"
