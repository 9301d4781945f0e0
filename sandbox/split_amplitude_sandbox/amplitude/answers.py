"""Errors of Amplitude's APIs."""

from __future__ import annotations

import base64
import binascii
from typing import Any

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from split_amplitude_sandbox.answers import json_answer
from split_amplitude_sandbox.keys import is_accepted


class RefusedError(Exception):
    """A request is refused with this status and body (JSON, or a text)."""

    def __init__(self, status: int, body: dict[str, Any] | str) -> None:
        super().__init__(status)
        self.status = status
        self.body = body


async def refusal(_: Request, error: Exception) -> Response:
    """Answer a refused request."""
    assert isinstance(error, RefusedError)  # noqa: S101 - registered for nothing else
    if isinstance(error.body, str):
        return PlainTextResponse(error.body, error.status)
    return json_answer(error.body, error.status)


def upload_error(status: int, error: str, **more: Any) -> RefusedError:
    """A refusal of HTTP V2 and Batch: `{"code", "error", …}`."""
    return RefusedError(status, {"code": status, "error": error, **more})


def rest_error(status: int, details: str) -> RefusedError:
    """A refusal of the read APIs, in the one shape that has been seen."""
    error = {"http_code": status, "type": "invalid", "message": "Invalid request", "metadata": {"details": details}}
    return RefusedError(status, {"error": error})


def require_read_access(request: Request) -> None:
    """Require an API key and a secret key by HTTP Basic, or answer 403 (Export API page, "Authorization")."""
    scheme, _, encoded = request.headers.get("authorization", "").partition(" ")
    try:
        keys = base64.b64decode(encoded, validate=True).decode() if scheme.lower() == "basic" else ""
    except (binascii.Error, UnicodeDecodeError):
        keys = ""
    api_key, _, secret_key = keys.partition(":")
    if not (is_accepted(api_key) and is_accepted(secret_key)):
        raise RefusedError(403, "Invalid API Key")
