"""What every call of the Admin API v2 needs: a token that may do it, and what its path names."""

from __future__ import annotations

from typing import Any, NamedTuple, TypeVar

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from split_amplitude_sandbox.answers import json_answer
from split_amplitude_sandbox.calls import Calls
from split_amplitude_sandbox.split.access import Permission
from split_amplitude_sandbox.split.answers import RefusedError
from split_amplitude_sandbox.split.paging import page
from split_amplitude_sandbox.split.services import Services

Body = TypeVar("Body")


class Target(NamedTuple):
    """A segment in an environment, and the token of the request."""

    environment: dict[str, Any]
    name: str
    token: str


class V2Calls(Calls[Services]):
    """Base of the calls. All raise `RefusedError`: 401, 403, or 404 for what does not exist."""

    base = "/internal/api/v2"

    def _workspace(self, request: Request, permission: Permission) -> dict[str, Any]:
        """The workspace in the request's path."""
        self._services.access.v2(request, permission)
        return self._services.workspaces.workspace(request.path_params["workspace_id"])

    def _target(self, request: Request, permission: Permission) -> Target:
        """The environment in the request's path, with the segment's name, which may be unknown."""
        environment_id = request.path_params["environment_id"]
        token = self._services.access.v2(request, permission, environment_id)
        environment = self._services.workspaces.environment(environment_id)
        return Target(environment, request.path_params.get("name", ""), token)

    def _active(self, request: Request, permission: Permission) -> Target:
        """The environment and the standard segment in the request's path; the segment is active there."""
        target = self._target(request, permission)
        self._services.segments.of_workspace(target.environment["workspace_id"], target.name, "STANDARD")
        self._services.segments.definition(target.environment["id"], target.name)
        return target

    def _page(self, request: Request, found: list[Any]) -> Response:
        return json_answer(page(request, found, self._services.settings.current))


def reference(environment: dict[str, Any]) -> dict[str, Any]:
    """An environment as other objects name it: `{id, name}`."""
    return {"id": environment["id"], "name": environment["name"]}


def decoded(body: bytes, kind: type[Body]) -> Body:
    """A JSON body as the given type; 400 when it is not JSON or does not fit."""
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise RefusedError(400, str(error)) from None
