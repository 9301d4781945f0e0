"""Calls over HTTP: methods of a class, each marked with where it answers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Generic, TypeVar

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from split_amplitude_sandbox.answers import json_answer

OWN = "/_sandbox"
"""What the paths of the sandbox's own API begin with."""

Services = TypeVar("Services")
Method = TypeVar("Method", bound=Callable[..., Any])
Endpoint = Callable[[Request], Awaitable[Response]]


def call(verb: str, path: str, make: Callable[[Any], Endpoint] = lambda method: method) -> Callable[[Method], Method]:
    """Mark a method that answers requests.

    Args:
        verb: the HTTP method.
        path: below the `base` of its class.
        make: makes the endpoint of the method, which by default is the endpoint itself.
    """

    def marked(method: Method) -> Method:
        method.__dict__.setdefault("calls", []).append((verb, path, make))
        return method

    return marked


class Calls(Generic[Services]):
    """Base of classes whose methods answer requests; `services` is what the calls share."""

    base = ""

    def __init__(self, services: Services) -> None:
        self._services = services

    def routes(self) -> list[Route]:
        """A route for each mark, in the order of the methods."""
        return [
            Route(self.base + path, make(getattr(self, name)), methods=[verb])
            for name, method in vars(type(self)).items()
            for verb, path, make in getattr(method, "calls", ())
        ]


def planting(put: Callable[[bytes], int]) -> Endpoint:
    """An endpoint that hands its body to `put` and answers `{"stored": NUMBER}`, or 400 with `{"error": TEXT}`."""

    async def plant(body: bytes) -> dict[str, int]:
        return {"stored": put(body)}

    return pushing(plant)


def pushing(push: Callable[[bytes], Awaitable[dict[str, Any]]]) -> Endpoint:
    """An endpoint that hands its body to `push` and answers what it returns, or 400 with `{"error": TEXT}`."""

    async def answer(request: Request) -> Response:
        try:
            return json_answer(await push(await request.body()))
        except (ValueError, msgspec.MsgspecError, OSError) as error:
            return json_answer({"error": str(error)}, 400)

    return answer
