"""Who may do what: the two headers of the Admin API v2, the one of v4, and tokens with few permissions.

Sources: https://docs.split.io/reference/authentication and the pages "Approvals" and "RBAC" of Harness FME. The names
of Harness's permissions are not documented; the sandbox has its own.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Literal

import msgspec
from starlette.requests import Request

from split_amplitude_sandbox.keys import is_accepted
from split_amplitude_sandbox.settings import Settings
from split_amplitude_sandbox.split.answers import RefusedError
from split_amplitude_sandbox.split.settings import SplitSettings
from split_amplitude_sandbox.store import Store

HARNESS_TOKEN = re.compile(r"(?:pat|sat)\.([^.]+)\..+")
TOKEN = "token"  # noqa: S105 - the name of a kind of document

Permission = Literal[
    "workspaces:view",
    "environments:view",
    "traffic-types:view",
    "feature-flags:view",
    "segments:view",
    "segments:edit",
    "change-requests:view",
    "change-requests:edit",
    "event-types:view",
]


class Token(msgspec.Struct, forbid_unknown_fields=True):
    """A token that may do only what is listed; `edit` includes `view`. `environments` are ids, null is all of them."""

    token: str
    permissions: list[Permission] = []
    environments: list[str] | None = None

    def may(self, permission: Permission, environment_id: str | None) -> bool:
        """Whether a call is allowed; `environment_id` is null for calls outside environments."""
        resource = permission.partition(":")[0]
        return (permission in self.permissions or f"{resource}:edit" in self.permissions) and (
            environment_id is None or self.environments is None or environment_id in self.environments
        )


class Access:
    """Checks tokens. A token that was never planted may do everything."""

    def __init__(self, store: Store, settings: Settings[SplitSettings]) -> None:
        self._store = store
        self._settings = settings

    def put(self, given: Iterable[Token]) -> None:
        """Plant tokens, or change them."""
        for one in given:
            self._store.put_document(TOKEN, one.token, one)

    def v2(self, request: Request, permission: Permission, environment_id: str | None = None) -> str:
        """The token of a v2 request, which stands in one of the headers that the settings allow; 401 or 403 without."""
        headers = self._settings.current.admin_headers
        token = bearer_token(request) if "authorization" in headers else ""
        if not token and "x-api-key" in headers:
            token = request.headers.get("x-api-key", "")
        return self._permitted(token, permission, environment_id)

    def v4(self, request: Request, permission: Permission, environment_id: str | None = None) -> str:
        """The token of a v4 request: a Harness token in `x-api-key`, not a key of Split; 401 or 403 without."""
        token = request.headers.get("x-api-key", "")
        return self._permitted(token if HARNESS_TOKEN.fullmatch(token) else "", permission, environment_id)

    def _permitted(self, token: str, permission: Permission, environment_id: str | None) -> str:
        if not is_accepted(token):
            raise RefusedError(401, "Unauthorized")
        planted = self._store.document(TOKEN, token)
        if planted is not None and not msgspec.convert(planted, Token).may(permission, environment_id):
            raise RefusedError(403, "Forbidden")
        return token


def account_of(token: str) -> str:
    """The account id of a Harness token: `sat.ACCOUNT.…`."""
    found = HARNESS_TOKEN.fullmatch(token)
    return found[1] if found else ""


def bearer_token(request: Request) -> str:
    """The token of `Authorization: Bearer TOKEN`, or an empty text."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token if scheme.lower() == "bearer" else ""
