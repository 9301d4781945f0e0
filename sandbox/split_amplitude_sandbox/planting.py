"""Endpoints of the sandbox's own API that take data."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from split_amplitude_sandbox.answers import json_answer

BASE = "/_sandbox"
Endpoint = Callable[[Request], Awaitable[Response]]
"""A call of the sandbox's own API."""


def planting(put: Callable[[bytes], int]) -> Endpoint:
    """An endpoint that hands its body to `put` and answers `{"stored": NUMBER}`, or 400 with `{"error": TEXT}`."""

    async def plant(request: Request) -> Response:
        try:
            return json_answer({"stored": put(await request.body())})
        except (ValueError, msgspec.MsgspecError) as error:
            return json_answer({"error": str(error)}, 400)

    return plant


def planting_of(kind: type[Any], put: Callable[[list[Any]], None]) -> Endpoint:
    """An endpoint that takes a JSON list of objects of one kind."""

    def put_all(body: bytes) -> int:
        given: list[Any] = msgspec.json.decode(body, type=list[kind])  # type: ignore[valid-type]  # a variable on purpose
        put(given)
        return len(given)

    return planting(put_all)
