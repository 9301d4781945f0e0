"""The part of the sandbox's own API that is about Split; the README describes each call."""

from __future__ import annotations

from functools import partial
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from split_amplitude_sandbox.answers import json_answer, lines_answer
from split_amplitude_sandbox.calls import OWN, Calls, call, planting
from split_amplitude_sandbox.split.access import Token
from split_amplitude_sandbox.split.segments import Segment
from split_amplitude_sandbox.split.services import Services
from split_amplitude_sandbox.split.workspaces import KINDS


class SplitControl(Calls[Services]):
    """Plants what Split holds, and tells it."""

    base = f"{OWN}/split"

    def routes(self) -> list[Route]:
        """The marked methods, and a call to plant each kind of object of a workspace."""
        plant = [Route(f"{self.base}/{kind}", planting(partial(self._plant, kind)), methods=["POST"]) for kind in KINDS]
        return super().routes() + plant

    def _plant(self, kind: str, body: bytes) -> int:
        given = msgspec.json.decode(body, type=list[dict[str, Any]])
        self._services.workspaces.put(kind, given)
        return len(given)

    @call("GET", "/events")
    async def events(self, _: Request) -> Response:
        """Events as they were sent, duplicates included, one per line."""
        rows = self._services.store.database.execute("SELECT event FROM split_events ORDER BY number")
        return lines_answer(event for (event,) in rows)

    @call("GET", "/segments")
    async def segments(self, _: Request) -> Response:
        """Segments with all their keys."""
        return json_answer(self._services.segments.dump())

    @call("POST", "/segments", planting)
    def plant_segments(self, body: bytes) -> int:
        """Plant segments."""
        given = msgspec.json.decode(body, type=list[Segment])
        self._services.segments.put(given)
        return len(given)

    @call("POST", "/tokens", planting)
    def plant_tokens(self, body: bytes) -> int:
        """Plant tokens, or change them."""
        given = msgspec.json.decode(body, type=list[Token])
        self._services.access.put(given)
        return len(given)

    @call("GET", "/change-requests")
    async def change_requests(self, _: Request) -> Response:
        """Change requests as the sandbox keeps them; the token of the submitter is left out."""
        found = self._services.change_requests.all(None)
        return json_answer([{name: one[name] for name in one if name != "submitted_by"} for one in found])

    @call("GET", "/settings")
    async def settings(self, _: Request) -> Response:
        """The current settings."""
        return json_answer(self._services.settings.current)

    @call("POST", "/settings", planting)
    def change_settings(self, body: bytes) -> int:
        """Change some settings."""
        return self._services.settings.change(body)
