"""Change requests for the keys of standard segments, and which writes need one.

Source: https://developer.harness.io/docs/feature-management-experimentation/api/approvals.
"""

from __future__ import annotations

import uuid
from typing import Any, Literal

from split_amplitude_sandbox.clock import Clock
from split_amplitude_sandbox.split.answers import RefusedError
from split_amplitude_sandbox.split.segments import Segments
from split_amplitude_sandbox.store import Store

CHANGE_REQUEST = "change request"
OPEN = frozenset({"REQUESTED", "SCHEDULE_REQUESTED"})

Operation = Literal["CREATE", "ARCHIVE"]
Decision = Literal["APPROVED", "REJECTED", "WITHDRAWN"]


def needs_approval(environment: dict[str, Any], token: str) -> bool:
    """Whether what this token writes in an environment needs an approval."""
    return environment["approvals_required"] and token not in environment["approval_skippable_by"]


def approvals_message(environment: dict[str, Any]) -> str:
    """The documented text of a refused write."""
    return f"Approvals are required. orgId=organization envId={environment['id']}"


class ChangeRequests:
    """Keys to add (`CREATE`) or to remove (`ARCHIVE`) after an approval."""

    def __init__(self, store: Store, clock: Clock, segments: Segments) -> None:
        self._store = store
        self._clock = clock
        self._segments = segments

    def submit(  # noqa: PLR0913 - the members of a request
        self,
        *,
        environment: dict[str, Any],
        segment: str,
        keys: list[str],
        operation: Operation,
        title: str | None,
        comment: str | None,
        approvers: list[str],
        token: str,
        scheduled_for: int | None = None,
    ) -> dict[str, Any]:
        """Create a change request; 409 while one is open for this segment and environment."""
        if self.open_one(environment["id"], segment) is not None:
            raise RefusedError(409, "The segment has an open change request")
        now = self._clock.now_ms()
        made = {
            "id": uuid.uuid4().hex,
            "status": "REQUESTED" if scheduled_for is None else "SCHEDULE_REQUESTED",
            "environment_id": environment["id"],
            "environment_name": environment["name"],
            "workspace_id": environment["workspace_id"],
            "segment": segment,
            "keys": keys,
            "operation": operation,
            "title": title,
            "comment": comment,
            "approvers": approvers,
            "submitted_by": token,
            "created_ms": now,
            "modified_ms": now,
        }
        self._put(made)
        return made

    def decide(self, request_id: str, decision: Decision, token: str) -> dict[str, Any]:
        """Approve, reject or withdraw; 400 when it is closed, 403 when a token approves its own request."""
        request = self.one(request_id)
        if request["status"] not in OPEN:
            raise RefusedError(400, "The change request is closed")
        if decision == "APPROVED":
            if token == request["submitted_by"]:
                raise RefusedError(403, "A change request cannot be approved by its submitter")
            self._apply(request)
        status = "PUBLISHED" if decision == "APPROVED" else decision
        decided = request | {"status": status, "modified_ms": self._clock.now_ms()}
        self._put(decided)
        return decided

    def one(self, request_id: str) -> dict[str, Any]:
        """A change request by its id, or 404."""
        found: dict[str, Any] | None = self._store.document(CHANGE_REQUEST, request_id)
        if found is None:
            raise RefusedError(404, "Change request not found")
        return found

    def all(self, status: str | None) -> list[dict[str, Any]]:
        """All change requests, or those of a status."""
        return [one for one in self._store.documents(CHANGE_REQUEST) if status in {None, one["status"]}]

    def open_one(self, environment_id: str, segment: str) -> str | None:
        """The id of the open change request for a segment in an environment."""
        for one in self._store.documents(CHANGE_REQUEST):
            if (one["environment_id"], one["segment"]) == (environment_id, segment) and one["status"] in OPEN:
                return str(one["id"])
        return None

    def _apply(self, request: dict[str, Any]) -> None:
        target = request["environment_id"], request["segment"]
        self._segments.definition(*target)
        if request["operation"] == "CREATE":
            self._segments.keys.add(*target, request["keys"], replace=False)
        else:
            self._segments.keys.remove(*target, request["keys"])

    def _put(self, request: dict[str, Any]) -> None:
        self._store.put_document(CHANGE_REQUEST, request["id"], request)
