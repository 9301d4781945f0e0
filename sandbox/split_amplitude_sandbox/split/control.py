"""The part of the sandbox's own API that is about Split."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from split_amplitude_sandbox.answers import json_answer, lines_answer
from split_amplitude_sandbox.planting import BASE, Endpoint, planting, planting_of
from split_amplitude_sandbox.settings import Settings
from split_amplitude_sandbox.split.access import Access, Token
from split_amplitude_sandbox.split.change_requests import ChangeRequests
from split_amplitude_sandbox.split.segments import Segment, Segments
from split_amplitude_sandbox.split.settings import SplitSettings
from split_amplitude_sandbox.split.workspaces import Workspaces
from split_amplitude_sandbox.store import Store


class SplitControl:
    """Plants what Split holds, and tells it."""

    def __init__(  # noqa: PLR0913 - it reaches every part of Split
        self,
        *,
        store: Store,
        settings: Settings[SplitSettings],
        access: Access,
        workspaces: Workspaces,
        segments: Segments,
        change_requests: ChangeRequests,
    ) -> None:
        self._store = store
        self._settings = settings
        self._access = access
        self._workspaces = workspaces
        self._segments = segments
        self._change_requests = change_requests

    def routes(self) -> list[Route]:
        """The README describes each of them."""
        workspaces = self._workspaces
        calls: list[tuple[str, str, Endpoint]] = [
            ("GET", "/events", self.events),
            ("GET", "/segments", self.segments),
            ("GET", "/change-requests", self.change_requests),
            ("GET", "/settings", self.settings),
            ("POST", "/settings", planting(self._settings.change)),
            ("POST", "/tokens", planting_of(Token, self._access.put)),
            ("POST", "/workspaces", planting_of(dict, workspaces.put_workspaces)),
            ("POST", "/environments", planting_of(dict, workspaces.put_environments)),
            ("POST", "/traffic-types", planting_of(dict, workspaces.put_traffic_types)),
            ("POST", "/feature-flags", planting_of(dict, workspaces.put_flags)),
            ("POST", "/segments", planting_of(Segment, self._segments.put)),
        ]
        return [Route(f"{BASE}/split{path}", endpoint, methods=[method]) for method, path, endpoint in calls]

    async def events(self, _: Request) -> Response:
        """Events as they were sent, duplicates included, one per line."""
        rows = self._store.database.execute("SELECT event FROM split_events ORDER BY number")
        return lines_answer(event for (event,) in rows)

    async def segments(self, _: Request) -> Response:
        """Segments with all their keys."""
        return json_answer(self._segments.dump())

    async def change_requests(self, _: Request) -> Response:
        """Change requests as the sandbox keeps them; the token of the submitter is left out."""
        hidden = {"submitted_by"}
        return json_answer(
            [
                {name: value for name, value in one.items() if name not in hidden}
                for one in self._change_requests.all(None)
            ]
        )

    async def settings(self, _: Request) -> Response:
        """The current settings."""
        return json_answer(self._settings.current)
