"""Spreads what is sent over lanes, packs each lane's requests, and hands them over when they are full or old.

All of one user goes through one lane, so that it arrives in order.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import msgspec

from target_amplitude.api.endpoints import Route
from target_amplitude.api.outcomes import Rejected
from target_amplitude.common.target.checkpoints import Checkpoints, Hold
from target_amplitude.common.target.delivery import Origin
from target_amplitude.delivery.batching import Item, Request, check_size, chunks
from target_amplitude.delivery.identify_buffer import LastValues, Merger
from target_amplitude.payloads.event import LIBRARY
from target_amplitude.payloads.identification import Identification, owner, partition_key

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
    """What is open in one lane: a request of events, and identifications that merge.

    Attributes:
        holds: By kind of route, what the merged identifications count against.
        opened: Monotonic seconds when merging began.
    """

    def __init__(self, last: LastValues) -> None:
        self.events: Request | None = None
        self.merger = Merger(last)
        self.holds: dict[str, tuple[Route, Hold]] = {}
        self.opened = 0.0


class Dispatch:
    """Packs and hands over. For the main thread alone.

    Args:
        submit: Hands the items of a request over to a lane.
        count: Number of lanes.
        routes: How things are sent.
        checkpoints: Learn when work begins.
        reject: Keeps what is too large: stream, reason, origin, status, thing.
        last: What was last sent of each user.
    """

    def __init__(  # noqa: PLR0913  # each is one thing it needs
        self,
        *,
        submit: Callable[[int, list[Item]], None],
        count: int,
        routes: Routes,
        checkpoints: Checkpoints,
        reject: Callable[[str, str, Any, None, Any], None],
        last: LastValues,
    ) -> None:
        self._hand_over = submit
        self._count = count
        self._routes = routes
        self._checkpoints = checkpoints
        self._reject = reject
        self._last = last
        self._open = [Lane(last) for _ in range(count)]

    def add_event(self, stream: str, event: dict[str, Any], part: bytes, origin: Origin) -> None:
        """Take an event.

        Args:
            stream: The stream it comes from.
            event: The event.
            part: The same as JSON.
            origin: The record that it was made of.

        Raises:
            Rejected: It is larger than a request may be.
        """
        number = hash(event.get("user_id") or event["device_id"]) % self._count
        lane = self._open[number]
        if lane.holds and lane.merger.concerns(owner(event)):
            self._close_merger(number)  # the change of the user came before this event
        if "user_properties" in event:
            self._last.forget(owner(event))
        if lane.events is None or not lane.events.add(stream, part, origin):
            check_size(self._routes.events, part)
            self._close_events(number)
            lane.events = Request(self._routes.events, self._checkpoints.begin(), time.monotonic())
            lane.events.add(stream, part, origin)

    def add_identification(self, stream: str, identification: Identification, origin: Origin) -> bool:
        """Take an identification; return whether it makes one more to send."""
        number = hash(partition_key(identification.subject)) % self._count
        lane = self._open[number]
        route = self._route_of(identification)
        if not lane.holds:
            lane.opened = time.monotonic()
        if route.kind not in lane.holds:
            lane.holds[route.kind] = route, self._checkpoints.begin()
        is_new = lane.merger.add(identification, (stream, origin))
        if len(lane.merger) >= self._most_merged:
            self._close_merger(number)
        return is_new

    @property
    def _most_merged(self) -> int:
        return (self._routes.identifications or self._routes.events).endpoint.max_items

    def flush_old(self) -> None:
        """Hand over what has been open for long."""
        now = time.monotonic()
        for number, lane in enumerate(self._open):
            if lane.events is not None and now - lane.events.opened >= EVENTS_SECONDS:
                self._close_events(number)
            if lane.holds and now - lane.opened >= IDENTIFICATIONS_SECONDS:
                self._close_merger(number)

    def flush_all(self) -> None:
        """Hand over everything that is open."""
        for number in range(self._count):
            self._close_merger(number)
            self._close_events(number)

    def _close_events(self, number: int) -> None:
        lane = self._open[number]
        if lane.events is not None:
            request, lane.events = lane.events, None
            request.hold.add(len(request.items))
            self._hand_over(number, request.items)
            request.hold.done()

    def _close_merger(self, number: int) -> None:
        """Hand over identifications, after the events that came before them."""
        lane = self._open[number]
        if not lane.holds:
            return
        self._close_events(number)
        holds, lane.holds = lane.holds, {}
        items: dict[str, list[Item]] = {kind: [] for kind in holds}
        for merged in lane.merger.close():
            identification, ((stream, origin), *more) = merged.identification, merged.origins
            route = self._route_of(identification)
            text = encode(as_sent(identification, route))
            part = route.part(text)
            try:
                check_size(route, part)
            except Rejected as problem:
                for stream_of_record, record in merged.origins:
                    self._reject(stream_of_record, str(problem), record, None, text)
            else:
                items[route.kind].append(Item(stream, part, origin, holds[route.kind][1], route, tuple(more)))
        for kind, (route, hold) in holds.items():
            hold.add(len(items[kind]))
            for chunk in chunks(route, items[kind]):
                self._hand_over(number, chunk)
            hold.done()

    def _route_of(self, identification: Identification) -> Route:
        if identification.is_group:
            return self._routes.group_identifications
        return self._routes.identifications or self._routes.events


def as_sent(identification: Identification, route: Route) -> dict[str, Any]:
    """Return an identification as it stands in a request."""
    if identification.is_group:
        return {**identification.subject, "group_properties": identification.operations}
    sent: dict[str, Any] = {**identification.subject, **(identification.others or {})}
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
