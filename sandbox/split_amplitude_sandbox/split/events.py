"""Events: `POST /api/events/bulk` and `POST /api/events`. Nothing is de-duplicated.

Sources: https://developer.harness.io/docs/feature-management-experimentation/api/events and the `track` rules of
the SDK pages. What the real service does with a bad event is not documented; the sandbox refuses the request and
names the event, so that mistakes show.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from split_amplitude_sandbox.calls import Calls, call
from split_amplitude_sandbox.keys import is_accepted
from split_amplitude_sandbox.split.access import bearer_token
from split_amplitude_sandbox.split.answers import RefusedError
from split_amplitude_sandbox.split.services import Services

MAX_BYTES = 1_000_000
EVENT_TYPE_PATTERN = re.compile(r"[a-zA-Z0-9][-_.a-zA-Z0-9]{0,79}")
MAX_KEY_LENGTH = 250
MAX_PROPERTIES = 300
MAX_PROPERTY_LENGTH = 256
BASE_BYTES = 1024
MAX_PROPERTIES_BYTES = 32_768
FIRST_PLAUSIBLE_MS = 10**11
"""A smaller timestamp (before March 1973) must be in seconds."""

Scalar = str | int | float | bool | None


class Event(msgspec.Struct):
    """One event."""

    event_type_id: str = msgspec.field(name="eventTypeId")
    traffic_type_name: str = msgspec.field(name="trafficTypeName")
    key: str
    timestamp: int
    value: int | float | None = None
    properties: dict[str, Scalar] | None = None
    environment_name: str | None = msgspec.field(name="environmentName", default=None)


_bulk_decoder = msgspec.json.Decoder(list[msgspec.Raw])
_event_decoder = msgspec.json.Decoder(Event)


class Events(Calls[Services]):
    """Accepts or refuses a request as a whole."""

    @call("POST", "/api/events/bulk")
    async def take_bulk(self, request: Request) -> Response:
        """Store an array of events."""
        body = await _body(request)
        try:
            texts = _bulk_decoder.decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise RefusedError(400, "The body is not a JSON array of events") from None
        return self._take(request, texts)

    @call("POST", "/api/events")
    async def take_one(self, request: Request) -> Response:
        """Store one event."""
        return self._take(request, [msgspec.Raw(await _body(request))])

    def _take(self, request: Request, texts: list[msgspec.Raw]) -> Response:
        traffic_types, environments = self._services.workspaces.event_names()
        kinds: Counter[str] = Counter()
        for index, text in enumerate(texts):
            try:
                event = _event_decoder.decode(text)
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
                raise RefusedError(400, f"Event {index}: {error}") from None
            problem = _problem(event, traffic_types, environments)
            if problem:
                raise RefusedError(400, f"Event {index}: {problem}")
            kinds[event.event_type_id] += 1
        request.state.items = len(texts)
        with self._services.store.transaction() as database:
            database.executemany("INSERT INTO split_events VALUES (NULL, ?)", [(bytes(text),) for text in texts])
            self._services.store.count_arrivals("Split events", kinds)
        return Response(status_code=202)


async def _body(request: Request) -> bytes:
    if not is_accepted(bearer_token(request)):
        raise RefusedError(401, "Unauthorized")
    if not request.headers.get("content-type", "").startswith("application/json"):
        raise RefusedError(415, "Content-Type must be application/json")
    body = await request.body()
    if len(body) > MAX_BYTES:
        raise RefusedError(413, "Payload too large")
    return body


def _problem(event: Event, traffic_types: set[str], environments: set[str]) -> str | None:
    if not EVENT_TYPE_PATTERN.fullmatch(event.event_type_id):
        return "eventTypeId has up to 80 letters, digits, '-', '_', '.' and starts with a letter or digit"
    if event.traffic_type_name not in traffic_types:
        return "trafficTypeName does not exist"
    if event.environment_name is not None and event.environment_name not in environments:
        return "environmentName does not exist"
    if not 0 < len(event.key) <= MAX_KEY_LENGTH or event.key != event.key.strip():
        return "key has 1 to 250 characters and no surrounding spaces"
    if event.timestamp < FIRST_PLAUSIBLE_MS:
        return "timestamp is not in epoch milliseconds"
    return _problem_of(event.properties or {})


def _problem_of(properties: dict[str, Any]) -> str | None:
    if len(properties) > MAX_PROPERTIES:
        return f"more than {MAX_PROPERTIES} properties"
    size = BASE_BYTES
    for name, value in properties.items():
        text = value if isinstance(value, str) else ""
        if len(text) > MAX_PROPERTY_LENGTH:
            return f"property {name!r} is longer than {MAX_PROPERTY_LENGTH} characters"
        size += len(name.encode()) + len(text.encode())
    return f"properties exceed {MAX_PROPERTIES_BYTES} bytes" if size > MAX_PROPERTIES_BYTES else None
