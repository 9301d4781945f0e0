"""The part of the sandbox's own API that is about neither service: faults, requests, reset."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from split_amplitude_sandbox.answers import json_answer
from split_amplitude_sandbox.calls import OWN, Calls, call, planting
from split_amplitude_sandbox.presets import PRESETS
from split_amplitude_sandbox.services import Services


class Control(Calls[Services]):
    """Plans failures and forgets everything. The README describes each call."""

    base = OWN

    @call("DELETE", "")
    async def reset(self, _: Request) -> Response:
        """Forget all data, settings, faults and requests; the seeded workspace comes back."""
        services = self._services
        services.store.clear()
        services.faults.clear()
        services.requests.clear()
        services.amplitude.reset()
        services.split.reset()
        return json_answer({})

    @call("GET", "/requests")
    async def requests(self, _: Request) -> Response:
        """The requests that came to the services, in order."""
        return json_answer(self._services.requests)

    @call("GET", "/faults")
    async def faults(self, _: Request) -> Response:
        """The planned failures."""
        return json_answer(self._services.faults.listing())

    @call("POST", "/faults", planting)
    def add_faults(self, body: bytes) -> int:
        """Plan failures."""
        return self._services.faults.add(body)

    @call("DELETE", "/faults")
    async def forget_faults(self, _: Request) -> Response:
        """Forget the planned failures."""
        self._services.faults.clear()
        return json_answer([])

    @call("GET", "/faults/presets")
    async def presets(self, _: Request) -> Response:
        """The failures that have a name."""
        return json_answer(PRESETS)
