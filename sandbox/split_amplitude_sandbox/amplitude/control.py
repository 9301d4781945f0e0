"""The part of the sandbox's own API that is about Amplitude."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from split_amplitude_sandbox.amplitude.routes.log import RouteLog
from split_amplitude_sandbox.amplitude.settings import AmplitudeSettings
from split_amplitude_sandbox.answers import json_answer, lines_answer
from split_amplitude_sandbox.planting import BASE, Endpoint, planting
from split_amplitude_sandbox.settings import Settings
from split_amplitude_sandbox.store import Store

Put = Callable[[bytes], int]
Push = Callable[[bytes], Awaitable[dict[str, Any]]]


class AmplitudeControl:
    """Plants what Amplitude holds, tells it, and starts its routes.

    Args:
        store: holds what came in.
        settings: of the service.
        log: of the routes.
        puts: name of a kind of data -> takes it.
        pushes: name of a route -> starts it.
    """

    def __init__(
        self,
        store: Store,
        settings: Settings[AmplitudeSettings],
        log: RouteLog,
        puts: dict[str, Put],
        pushes: dict[str, Push],
    ) -> None:
        self._store = store
        self._settings = settings
        self._log = log
        self._puts = puts
        self._pushes = pushes

    def routes(self) -> list[Route]:
        """The README describes each of them."""
        calls: list[tuple[str, str, Endpoint]] = [
            ("GET", "events", self.events),
            ("GET", "users", self.users),
            ("GET", "identifications", self.identifications),
            ("GET", "routes", self.deliveries),
            ("GET", "settings", self.settings),
            ("POST", "settings", planting(self._settings.change)),
            *(("POST", name, planting(put)) for name, put in self._puts.items()),
            *(("POST", name, _pushing(push)) for name, push in self._pushes.items()),
        ]
        return [Route(f"{BASE}/amplitude/{path}", endpoint, methods=[method]) for method, path, endpoint in calls]

    async def events(self, _: Request) -> Response:
        """Events as they were sent, with what Amplitude added, one per line."""
        rows = self._store.database.execute(
            "SELECT event, uuid, amplitude_id, upload_ms FROM amplitude_events WHERE event IS NOT NULL ORDER BY number"
        )
        return lines_answer(
            msgspec.json.encode(
                msgspec.json.decode(event)
                | {"uuid": uuid, "amplitude_id": amplitude_id, "server_upload_time": upload_ms}
            )
            for event, uuid, amplitude_id, upload_ms in rows
        )

    async def users(self, _: Request) -> Response:
        """Users with their resulting properties."""
        rows = self._store.database.execute(
            "SELECT amplitude_id, user_id, device_id, properties FROM amplitude_users ORDER BY amplitude_id"
        )
        return json_answer(
            [
                {
                    "amplitude_id": amplitude_id,
                    "user_id": user_id,
                    "device_id": device_id,
                    "user_properties": msgspec.Raw(properties),
                }
                for amplitude_id, user_id, device_id, properties in rows
            ]
        )

    async def identifications(self, _: Request) -> Response:
        """What came to `/identify` and `/groupidentify`, as it was sent."""
        rows = self._store.database.execute("SELECT identification FROM amplitude_identifications ORDER BY number")
        return json_answer([msgspec.Raw(identification) for (identification,) in rows])

    async def deliveries(self, _: Request) -> Response:
        """What the routes delivered, in order."""
        return json_answer(self._log.entries)

    async def settings(self, _: Request) -> Response:
        """The current settings."""
        return json_answer(self._settings.current)


def _pushing(push: Push) -> Endpoint:
    """An endpoint that starts a route and answers when it is done."""

    async def start(request: Request) -> Response:
        try:
            return json_answer(await push(await request.body()))
        except (ValueError, msgspec.MsgspecError, OSError) as error:
            return json_answer({"error": str(error)}, 400)

    return start
