"""Spreads what is sent over lanes, packs each lane's requests, and hands them over when they are full or old.

All of one user goes through one lane, so that it arrives in order.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import msgspec

from .delivery import Checkpoints
from .events import LIBRARY
from .gathering import Gathering, LastValues
from .identification import Identification
from .limits import Unusable
from .packing import Load, Request, check_size, chunks
from .routes import Route

# A request that is not full goes out after this time, so that STATE moves while a tap is slow.
EVENTS_SECONDS = 5.0
# Identifications wait longer: the longer, the more of one user's records become one.
IDENTIFICATIONS_SECONDS = 30.0
IDENTIFY_EVENT = "$identify"

encode = msgspec.json.Encoder().encode


@dataclass(frozen=True)
class Routes:
    """How each kind of thing is sent. `identifications` is None when they are sent as events."""

    events: Route
    group_identifications: Route
    identifications: Route | None


class Lane:
    """What is open in one lane: a request of events, and identifications that gather."""

    def __init__(self, last: LastValues) -> None:
        self.events: Request | None = None
        self.gathering = Gathering(last)
        self.gathering_load: Load | None = None
        self.gathering_opened = 0.0


class Dispatch:
    """Packs and hands over. For the main thread alone.

    Args:
        submit: Hands a request over to a lane.
        count: Number of lanes.
        routes: How things are sent.
        checkpoints: Learn when work begins.
        reject: Keeps what is too large: stream, reason, thing.
        last: What was last sent of each user.
    """

    def __init__(  # noqa: PLR0913  # each is one thing it needs
        self,
        *,
        submit: Callable[[int, Request], None],
        count: int,
        routes: Routes,
        checkpoints: Checkpoints,
        reject: Callable[[str, str, Any], None],
        last: LastValues,
    ) -> None:
        self._hand_over = submit
        self._count = count
        self._routes = routes
        self._checkpoints = checkpoints
        self._reject = reject
        self._open = [Lane(last) for _ in range(count)]

    def add_event(self, stream: str, key: str, part: bytes) -> None:
        """Take an event.

        Args:
            stream: The stream it comes from.
            key: Whose it is.
            part: The event as JSON.

        Raises:
            Unusable: It is larger than a request may be.
        """
        number = hash(key) % self._count
        lane = self._open[number]
        if lane.gathering.concerns(key):
            self._close_gathering(number)  # the change of the user came before this event
        request = lane.events
        if request is None or not request.has_room(part):
            check_size(self._routes.events, part)
            self._close_events(number)
            request = lane.events = Request(
                self._routes.events, Load(self._checkpoints.begin()), opened=time.monotonic()
            )
        request.add(stream, part)

    def add_identification(self, stream: str, identification: Identification) -> bool:
        """Take an identification; return whether it makes one more to send."""
        number = hash(identification.lane_key) % self._count
        lane = self._open[number]
        if lane.gathering_load is None:
            lane.gathering_load = Load(self._checkpoints.begin())
            lane.gathering_opened = time.monotonic()
        is_new = lane.gathering.add(stream, identification)
        if len(lane.gathering) >= self._most_gathered:
            self._close_gathering(number)
        return is_new

    @property
    def _most_gathered(self) -> int:
        return (self._routes.identifications or self._routes.events).endpoint.max_items

    def flush_old(self) -> None:
        """Hand over what has been open for long."""
        now = time.monotonic()
        for number, lane in enumerate(self._open):
            if lane.events is not None and now - lane.events.opened >= EVENTS_SECONDS:
                self._close_events(number)
            if lane.gathering_load is not None and now - lane.gathering_opened >= IDENTIFICATIONS_SECONDS:
                self._close_gathering(number)

    def flush_all(self) -> None:
        """Hand over everything that is open."""
        for number in range(self._count):
            self._close_gathering(number)
            self._close_events(number)

    def _close_events(self, number: int) -> None:
        lane = self._open[number]
        if lane.events is not None:
            request, lane.events = lane.events, None
            self._submit(number, request)

    def _close_gathering(self, number: int) -> None:
        """Hand over identifications, after the events that came before them."""
        lane = self._open[number]
        load, lane.gathering_load = lane.gathering_load, None
        if load is None:
            return
        self._close_events(number)
        by_route: dict[str, tuple[Route, list[tuple[str, bytes]]]] = {}
        for stream, identification in lane.gathering.close():
            route = self._route_of(identification)
            part = route.part(encode(as_sent(identification, route)))
            try:
                check_size(route, part)
            except Unusable as problem:
                self._reject(stream, str(problem), identification.subject)
            else:
                by_route.setdefault(route.kind, (route, []))[1].append((stream, part))
        load.left = sum(len(items) for _, items in by_route.values())
        if not load.left:
            self._checkpoints.finish(load.work)
        for route, items in by_route.values():
            for chunk in chunks(route, items, lambda item: item[1]):
                self._submit(number, Request(route, load, lane.gathering_opened, chunk), counted=True)

    def _route_of(self, identification: Identification) -> Route:
        if identification.is_group:
            return self._routes.group_identifications
        return self._routes.identifications or self._routes.events

    def _submit(self, number: int, request: Request, *, counted: bool = False) -> None:
        if not counted:
            request.load.left = len(request.items)
        self._hand_over(number, request)


def as_sent(identification: Identification, route: Route) -> dict[str, Any]:
    """Return an identification as it stands in a request."""
    if identification.is_group:
        return {**identification.subject, "group_properties": identification.operations}
    sent: dict[str, Any] = {**identification.subject, **identification.others}
    if identification.operations:
        sent["user_properties"] = identification.operations
    if route.is_form:
        return sent
    sent |= {"event_type": IDENTIFY_EVENT, "library": LIBRARY}
    if identification.insert_id:
        sent["insert_id"] = identification.insert_id
    if identification.time is not None:
        sent["time"] = identification.time
    return sent
