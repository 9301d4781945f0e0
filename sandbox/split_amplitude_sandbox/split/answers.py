"""Errors of Split's APIs: `{"code", "message", "details", "transactionId"}`.

The one real answer known has this shape. The error bodies of the events API and of the Harness FME API v4 are not
documented; the sandbox uses the same shape there.
"""

from __future__ import annotations

import uuid

from starlette.requests import Request
from starlette.responses import Response

from split_amplitude_sandbox.answers import json_answer


class RefusedError(ValueError):
    """A request is refused with this status and message; so is data that cannot be planted."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


async def refusal(_: Request, error: Exception) -> Response:
    """Answer a refused request."""
    status = error.status if isinstance(error, RefusedError) else 500
    return json_answer(
        {"code": status, "message": str(error), "details": "", "transactionId": uuid.uuid4().hex}, status
    )
