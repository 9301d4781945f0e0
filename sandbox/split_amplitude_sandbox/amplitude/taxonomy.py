"""The tracking plan: categories, events, event properties, user properties.

Source: https://amplitude.com/docs/apis/analytics/taxonomy.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from split_amplitude_sandbox.amplitude.answers import require_read_access
from split_amplitude_sandbox.answers import json_answer
from split_amplitude_sandbox.store import Store

Planted = dict[str, Any]

EVENT: Planted = {
    "event_type": None,
    "category": None,
    "description": None,
    "display_name": None,
    "is_active": True,
    "is_hidden_from_dropdowns": False,
    "is_hidden_from_persona_results": False,
    "is_hidden_from_pathfinder": False,
    "is_hidden_from_timeline": False,
    "tags": [],
    "owner": None,
}
EVENT_PROPERTY: Planted = {
    "event_property": None,
    "event_type": None,
    "description": None,
    "type": None,
    "regex": None,
    "enum_values": None,
    "is_array_type": False,
    "is_required": False,
    "is_hidden": False,
    "classifications": [],
}
USER_PROPERTY: Planted = {
    "user_property": None,
    "description": None,
    "type": None,
    "enum_values": None,
    "regex": None,
    "is_array_type": False,
    "is_hidden": False,
    "classifications": [],
    "deleted": False,
}


class Plan(msgspec.Struct, forbid_unknown_fields=True):
    """What can be planted; members an entry lacks are filled with their usual values."""

    categories: list[Planted] = []
    events: list[Planted] = []
    event_properties: list[Planted] = []
    user_properties: list[Planted] = []


class Taxonomy:
    """The planted tracking plan."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def routes(self) -> list[Route]:
        """The documented reading addresses."""
        reads = {
            "category": self.categories,
            "event": self.events,
            "event-property": self.event_properties,
            "user-property": self.user_properties,
        }
        return [Route(f"/api/2/taxonomy/{name}", endpoint, methods=["GET"]) for name, endpoint in reads.items()]

    def put(self, body: bytes) -> int:
        """Plant the plan in place of the one that was there.

        Raises:
            msgspec.ValidationError: it has other members than `Plan`.
        """
        plan = msgspec.json.decode(body, type=Plan)
        self._store.put_document("taxonomy", "plan", plan)
        return sum(len(part) for part in msgspec.structs.astuple(plan))

    async def categories(self, request: Request) -> Response:
        """Event categories: `[{id, name}]`."""
        return _answer(self._plan(request).categories)

    async def events(self, request: Request) -> Response:
        """Event types; deleted ones only on request."""
        return _answer(_present(request, [EVENT | one for one in self._plan(request).events]))

    async def event_properties(self, request: Request) -> Response:
        """The properties of one event type, which stands in the form body of the GET."""
        plan = self._plan(request)
        form = parse_qs((await request.body()).decode(errors="replace"))
        if "event_type" not in form:
            return json_answer({"success": False, "errors": [{"message": "Missing field: event_type"}]}, 400)
        (event_type, *_) = form["event_type"]
        return _answer([EVENT_PROPERTY | one for one in plan.event_properties if one["event_type"] == event_type])

    async def user_properties(self, request: Request) -> Response:
        """User properties; deleted ones only on request."""
        return _answer(_present(request, [USER_PROPERTY | one for one in self._plan(request).user_properties]))

    def _plan(self, request: Request) -> Plan:
        require_read_access(request)
        return msgspec.convert(self._store.document("taxonomy", "plan") or {}, Plan)


def _present(request: Request, entries: list[Planted]) -> list[Planted]:
    if request.query_params.get("showDeleted") == "true":
        return entries
    return [entry for entry in entries if not entry.get("deleted")]


def _answer(data: list[Planted]) -> Response:
    return json_answer({"success": True, "data": data})
