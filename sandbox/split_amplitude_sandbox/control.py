"""The part of the sandbox's own API that is about neither service: faults, requests, reset."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from split_amplitude_sandbox.answers import json_answer
from split_amplitude_sandbox.faults import Faults
from split_amplitude_sandbox.planting import BASE, Endpoint, planting
from split_amplitude_sandbox.presets import PRESETS
from split_amplitude_sandbox.store import Store


class Control:
    """Plans failures and forgets everything.

    Args:
        store: holds what came in.
        faults: the planned failures.
        requests: the list of requests.
        resets: called after the store is empty.
    """

    def __init__(
        self, store: Store, faults: Faults, requests: list[dict[str, Any]], resets: list[Callable[[], None]]
    ) -> None:
        self._store = store
        self._faults = faults
        self._requests = requests
        self._resets = resets

    def routes(self) -> list[Route]:
        """The README describes each of them."""
        calls: list[tuple[str, str, Endpoint]] = [
            ("DELETE", "", self.reset),
            ("GET", "/requests", self.requests),
            ("GET", "/faults", self.faults),
            ("POST", "/faults", planting(self._faults.add)),
            ("DELETE", "/faults", self.forget_faults),
            ("GET", "/faults/presets", self.presets),
        ]
        return [Route(BASE + path, endpoint, methods=[method]) for method, path, endpoint in calls]

    async def reset(self, _: Request) -> Response:
        """Forget all data, settings, faults and requests; the seeded workspace comes back."""
        self._store.clear()
        self._faults.clear()
        self._requests.clear()
        for reset in self._resets:
            reset()
        return json_answer({})

    async def requests(self, _: Request) -> Response:
        """The requests that came to the services, in order."""
        return json_answer(self._requests)

    async def faults(self, _: Request) -> Response:
        """The planned failures."""
        return json_answer(self._faults.listing())

    async def forget_faults(self, _: Request) -> Response:
        """Forget the planned failures."""
        self._faults.clear()
        return json_answer([])

    async def presets(self, _: Request) -> Response:
        """The failures that have a name."""
        return json_answer(PRESETS)
