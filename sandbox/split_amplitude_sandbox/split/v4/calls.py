"""What every v4 call needs: a Harness token, the three scope parameters, and the envelopes of the answers.

Source: https://developer.harness.io/api-reference/more-products-apis/ (feature management, "authentication" and the
opening page). Error bodies of v4 are not documented; the known texts stand in the messages.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, NamedTuple, TypeVar

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from split_amplitude_sandbox.answers import json_answer
from split_amplitude_sandbox.calls import Calls
from split_amplitude_sandbox.clock import from_ms
from split_amplitude_sandbox.split.access import Permission, account_of
from split_amplitude_sandbox.split.answers import RefusedError
from split_amplitude_sandbox.split.paging import bounds, total
from split_amplitude_sandbox.split.services import Services

PAGE = 100
"""Default and largest `limit` of all lists except feature flags."""
JSON, MERGE_PATCH = "application/json", "application/merge-patch+json"
MISSING = re.compile(r"Object missing required field `([^`]+)`")

Body = TypeVar("Body")


class Scope(NamedTuple):
    """The project of a request, and the token of the request."""

    workspace: dict[str, Any]
    token: str


class Target(NamedTuple):
    """An environment of the request's project, and the token of the request."""

    environment: dict[str, Any]
    workspace: dict[str, Any]
    token: str


class V4Calls(Calls[Services]):
    """Base of the calls."""

    base = "/fme/api/v4"

    def _scope(self, request: Request, permission: Permission) -> Scope:
        """The project that the three parameters name; 400 without one of them, 404 for an unknown project."""
        token = self._services.access.v4(request, permission)
        account_id, organization, project = (
            required(request, name) for name in ("account_id", "organization_identifier", "project_identifier")
        )
        workspace = self._services.workspaces.project(account_id, organization, project)
        if account_of(token) != account_id:
            raise RefusedError(403, "The token belongs to another account")
        return Scope(workspace, token)

    def _target(self, request: Request, permission: Permission) -> Target:
        """The environment that `environment_id` names, which is never a name; 400 without it, or 404."""
        workspace, token = self._scope(request, permission)
        environment = self._services.workspaces.environment(required(request, "environment_id"), workspace["id"])
        self._services.access.v4(request, permission, environment["id"])
        return Target(environment, workspace, token)

    def _definition(self, request: Request, permission: Permission) -> tuple[Target, dict[str, Any]]:
        """The definition of a standard segment that a request is about, and its environment."""
        target, name = self._target(request, permission), request.path_params["name"]
        self._services.segments.of_workspace(target.workspace["id"], name, "STANDARD")
        return target, self._services.segments.definition(target.environment["id"], name)

    def _page(
        self,
        request: Request,
        found: Sequence[Any],
        *,
        shape: Callable[[Any], Any] | None = None,
        member: str = "data",
        limit: int = PAGE,
    ) -> Response:
        """One page of a list: `{data, limit, offset, totalCount}`; `shape` makes of an entry what the API shows."""
        offset, limit = bounds(request, limit, limit)
        shown = list(found[offset : offset + limit])
        request.state.items = len(shown)
        envelope = {member: [shape(one) for one in shown] if shape else shown, "limit": limit, "offset": offset}
        return json_answer(envelope | total("totalCount", len(found), self._services.settings.current))


def required(request: Request, name: str) -> str:
    """A query parameter; 400 when it is missing."""
    value = request.query_params.get(name)
    if not value:
        raise RefusedError(400, f"{name} is required")
    return value


async def body_of(request: Request, kind: type[Body], content_type: str = JSON) -> Body:
    """A request's JSON body; unknown members are refused by the type itself.

    Raises:
        RefusedError: 400, or 415 for another content type.
    """
    if request.headers.get("content-type", "").partition(";")[0].strip() != content_type:
        raise RefusedError(415, f"Content-Type must be {content_type}")
    try:
        return msgspec.json.decode(await request.body(), type=kind)
    except msgspec.ValidationError as error:
        missing = MISSING.search(str(error))
        raise RefusedError(400, f"Field '{missing[1]}' is required" if missing else str(error)) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise RefusedError(400, "Invalid json structure") from None


def written(entity: dict[str, Any], governance: dict[str, Any] | None = None) -> Response:
    """The answer to a write: `{entity, governance}`."""
    return json_answer({"entity": entity, "governance": governance})


def deleted() -> Response:
    """The answer to a deletion."""
    return json_answer({"governance": None})


def seconds(milliseconds: int) -> float:
    """A time as segments, environments and definitions show it: epoch seconds with a fraction."""
    return milliseconds / 1000


def iso(milliseconds: int) -> str:
    """A time as feature flags and change requests show it."""
    moment: datetime = from_ms(milliseconds)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
