"""How Amplitude's ingestion says no: `{"code", "error", …}`, the same grammar for HTTP V2 and Batch."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from split_amplitude_sandbox.answers import json_answer


class RefusedError(Exception):
    """A request is refused as a whole, with this body."""

    def __init__(self, status: int, error: str, **more: Any) -> None:
        super().__init__(error)
        self.status = status
        self.body = {"code": status, "error": error, **more}


async def refusal(_: Request, error: Exception) -> Response:
    """The answer to a refused request."""
    assert isinstance(error, RefusedError)  # noqa: S101 - registered for nothing else
    return json_answer(error.body, error.status)
