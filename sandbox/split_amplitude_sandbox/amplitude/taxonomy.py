"""The tracking plan: categories, events, event properties, user properties.

Source: https://amplitude.com/docs/apis/analytics/taxonomy.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from split_amplitude_sandbox.amplitude.answers import require_read_access
from split_amplitude_sandbox.amplitude.services import Services
from split_amplitude_sandbox.answers import json_answer
from split_amplitude_sandbox.calls import OWN, Calls, call, planting
from split_amplitude_sandbox.store import Store

Planted = dict[str, Any]

DELETED_MEANWHILE = "deleted_meanwhile"
NO_MEMBER: Any = object()

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
    """What can be planted: objects, whose missing members are filled in, or anything else, which stays as it is.

    The properties of an event with `deleted_meanwhile` are not found. `events_list` goes to the dashboard's list.
    """

    categories: list[Any] = []
    events: list[Any] = []
    event_properties: list[Any] = []
    user_properties: list[Any] = []
    events_list: list[Any] = []


class Taxonomy(Calls[Services]):
    """The planted tracking plan."""

    @call("POST", f"{OWN}/amplitude/taxonomy", planting)
    def put(self, body: bytes) -> int:
        """Plant a plan, which replaces the previous one.

        Raises:
            msgspec.ValidationError: it has members that `Plan` does not have.
        """
        plan = msgspec.json.decode(body, type=Plan)
        self._services.store.put_document("taxonomy", "plan", plan)
        return sum(len(part) for part in msgspec.structs.astuple(plan))

    @call("GET", "/api/2/taxonomy/category")
    async def categories(self, request: Request) -> Response:
        """List event categories: `[{id, name}]`."""
        return _answer(self._plan(request).categories)

    @call("GET", "/api/2/taxonomy/event")
    async def events(self, request: Request) -> Response:
        """List event types; deleted ones only on request."""
        return _answer(_present(request, [_filled(EVENT, one) for one in self._plan(request).events]))

    @call("GET", "/api/2/taxonomy/event-property")
    async def event_properties(self, request: Request) -> Response:
        """List the properties of one event type, which the form body of the GET names."""
        plan = self._plan(request)
        form = parse_qs((await request.body()).decode(errors="replace"))
        if "event_type" not in form:
            return _refusal("Missing field: event_type")
        (event_type, *_) = form["event_type"]
        if any(_member(one, "event_type") == event_type and one.get(DELETED_MEANWHILE) for one in plan.events):
            return _refusal("Not found")
        found = [one for one in plan.event_properties if _member(one, "event_type") in (event_type, NO_MEMBER)]
        return _answer([_filled(EVENT_PROPERTY, one) for one in found])

    @call("GET", "/api/2/taxonomy/user-property")
    async def user_properties(self, request: Request) -> Response:
        """List user properties; deleted ones only on request."""
        return _answer(_present(request, [_filled(USER_PROPERTY, one) for one in self._plan(request).user_properties]))

    def _plan(self, request: Request) -> Plan:
        require_read_access(request)
        return planted_plan(self._services.store)


def planted_plan(store: Store) -> Plan:
    """The plan that was planted last."""
    return msgspec.convert(store.document("taxonomy", "plan") or {}, Plan)


def _present(request: Request, entries: list[Any]) -> list[Any]:
    if request.query_params.get("showDeleted") == "true":
        return entries
    return [entry for entry in entries if _member(entry, "deleted") in (None, False, NO_MEMBER)]


def _filled(usual: Planted, entry: Any) -> Any:
    if not isinstance(entry, dict):
        return entry
    return {name: value for name, value in (usual | entry).items() if name != DELETED_MEANWHILE}


def _member(entry: Any, name: str) -> Any:
    """A member of an object; what is not an object has none."""
    return entry.get(name) if isinstance(entry, dict) else NO_MEMBER


def _refusal(message: str) -> Response:
    return json_answer({"success": False, "errors": [{"message": message}]}, 400)


def _answer(data: list[Any]) -> Response:
    return json_answer({"success": True, "data": data})
