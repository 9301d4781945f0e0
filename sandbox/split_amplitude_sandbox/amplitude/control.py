"""The part of the sandbox's own API that is about Amplitude; the README describes each call."""

from __future__ import annotations

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from split_amplitude_sandbox.amplitude.services import Services
from split_amplitude_sandbox.answers import json_answer, lines_answer
from split_amplitude_sandbox.calls import OWN, Calls, call, planting


class AmplitudeControl(Calls[Services]):
    """Tells what Amplitude holds, and changes its settings."""

    base = f"{OWN}/amplitude"

    @call("GET", "/events")
    async def events(self, _: Request) -> Response:
        """Events as they were sent, with what Amplitude added, one per line."""
        rows = self._services.store.database.execute(
            "SELECT event, uuid, amplitude_id, upload_ms FROM amplitude_events WHERE event IS NOT NULL ORDER BY number"
        )
        return lines_answer(
            msgspec.json.encode(
                msgspec.json.decode(event)
                | {"uuid": uuid, "amplitude_id": amplitude_id, "server_upload_time": upload_ms}
            )
            for event, uuid, amplitude_id, upload_ms in rows
        )

    @call("GET", "/users")
    async def users(self, _: Request) -> Response:
        """Users with their resulting properties."""
        rows = self._services.store.database.execute(
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

    @call("GET", "/identifications")
    async def identifications(self, _: Request) -> Response:
        """What came to `/identify` and `/groupidentify`, as it was sent."""
        rows = self._services.store.database.execute(
            "SELECT identification FROM amplitude_identifications ORDER BY number"
        )
        return json_answer([msgspec.Raw(identification) for (identification,) in rows])

    @call("GET", "/routes")
    async def deliveries(self, _: Request) -> Response:
        """What the routes delivered, in order."""
        return json_answer(self._services.log.entries)

    @call("GET", "/settings")
    async def settings(self, _: Request) -> Response:
        """The current settings."""
        return json_answer(self._services.settings.current)

    @call("POST", "/settings", planting)
    def change_settings(self, body: bytes) -> int:
        """Change some settings."""
        return self._services.settings.change(body)
