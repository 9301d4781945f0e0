"""The seeded Harness project of the sandbox, and calls of its FME API v4."""

from __future__ import annotations

from typing import Any

import requests

from support.sandbox import Sandbox

TOKEN = "sat.demoAccount.test"
SCOPE = {"account_id": "demoAccount", "organization_identifier": "default", "project_identifier": "demo"}


def call(
    sandbox: Sandbox, method: str, path: str, body: Any = None, *, token: str = TOKEN, **query: Any
) -> requests.Response:
    """Call `/fme/api/v4` as the seeded project; a query parameter that is None is left out."""
    kind = "application/merge-patch+json" if method == "PATCH" else "application/json"
    return sandbox.http.request(
        method,
        f"{sandbox.url}/fme/api/v4{path}",
        params={name: value for name, value in (SCOPE | query).items() if value is not None},
        json=body,
        headers={"x-api-key": token, "Content-Type": kind},
    )
