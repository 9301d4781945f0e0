"""How Split's Admin API says no, and whom it lets in.

The shape is the one real answer known: `{"code", "message", "details", "transactionId"}`. The events API documents
no error body; the sandbox uses the same shape there.
"""

from __future__ import annotations

import uuid

from starlette.requests import Request
from starlette.responses import Response

from split_amplitude_sandbox.answers import json_answer
from split_amplitude_sandbox.keys import is_accepted


class RefusedError(Exception):
    """A request is refused with this status and message."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


async def refusal(_: Request, error: Exception) -> Response:
    """The answer to a refused request."""
    status = error.status if isinstance(error, RefusedError) else 500
    return json_answer(
        {"code": status, "message": str(error), "details": "", "transactionId": uuid.uuid4().hex}, status
    )


def require_key(request: Request, *, harness_header: bool) -> None:
    """Let in who has a key.

    Args:
        request: carries `Authorization: Bearer KEY`.
        harness_header: whether `x-api-key: KEY` is taken as well, as the Admin API does for Harness tokens.

    Raises:
        RefusedError: 401.
    """
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer":
        key = request.headers.get("x-api-key", "") if harness_header else ""
    if not is_accepted(key):
        raise RefusedError(401, "Unauthorized")
