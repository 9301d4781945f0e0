"""Spreads payloads over workers, fills each worker's batches, and hands them over when they are full or old.

All of one user goes through one worker, so that it arrives in order.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import msgspec

from target_amplitude.api.endpoints import Route
from target_amplitude.api.outcomes import Rejected
from target_amplitude.common.target.checkpoints import Hold
from target_amplitude.common.target.delivery import Origin
from target_amplitude.common.target.services import Services
from target_amplitude.delivery.batch import Batch, Payload, check_size, chunks
from target_amplitude.delivery.identify_buffer import Merged, Merger
from target_amplitude.delivery.kept_input import KeptInput
from target_amplitude.delivery.last_values import LastValues
from target_amplitude.payloads.event import LIBRARY
from target_amplitude.payloads.identification import Identification, owner, partition_key
from target_amplitude.payloads.quick import UserProperty

# A batch that is not full is flushed after this time, so that STATE moves while a tap is slow.
EVENTS_SECONDS = 5.0
# Identifications wait longer: the longer, the more of one user's records become one.
IDENTIFICATIONS_SECONDS = 30.0
# Values of properties that wait at the most, as `Merger.taken` counts: the more, the more become one identification.
# The partition with most of them goes first.
MAX_WAITING = 140_000
# Compressed input that they keep in memory at the most, so that their records can be rejected as they came. Other
# streams may stand between them.
MAX_INPUT_BYTES = 32_000_000
IDENTIFY_EVENT = "$identify"

_encode = msgspec.json.Encoder().encode


@dataclass(frozen=True)
class Routes:
    """How each kind of payload is sent. `identifications` is None when they are sent as events."""

    events: Route
    group_identifications: Route
    identifications: Route | None

    def of(self, identification: Identification) -> Route:
        """Return how an identification is sent."""
        if identification.is_group:
            return self.group_identifications
        return self.identifications or self.events


class Partition:
    """What fills for one worker: a batch of events, and identifications that merge.

    Attributes:
        hold: Holds back STATE for the merged identifications; None while nothing merges.
        opened: Monotonic seconds when merging began.
    """

    def __init__(self, last: LastValues) -> None:
        self.events: Batch | None = None
        self.merger = Merger(last)
        self.hold: Hold | None = None
        self.opened = 0.0


class Router:
    """Fills batches and hands them over. For the main thread alone.

    Args:
        submit: Hands a batch over to a worker.
        count: Number of workers.
        routes: How payloads are sent.
        services: What all sinks and senders share.
        last: What was last sent of each user.
    """

    def __init__(
        self,
        submit: Callable[[int, list[Payload]], None],
        count: int,
        routes: Routes,
        services: Services,
        last: LastValues,
    ) -> None:
        self._hand_over = submit
        self._count = count
        self._routes = routes
        self._services = services
        self._last = last
        self._partitions = [Partition(last) for _ in range(count)]
        self._waiting = 0  # values of properties
        self._input = KeptInput()
        self._merged: Counter[str] = Counter()

    def add_event(self, stream: str, event: dict[str, Any], part: bytes, origin: Origin) -> None:
        """Take an event.

        Args:
            stream: The stream it comes from.
            event: The event.
            part: The same as JSON.
            origin: Where its record came from.

        Raises:
            Rejected: It is larger than a request may be.
        """
        number = hash(event.get("user_id") or event["device_id"]) % self._count
        partition = self._partitions[number]
        if partition.hold is not None and partition.merger.concerns(owner(event)):
            self._flush_merger(number)  # the change of the user came before this event
        if "user_properties" in event:
            self._last.forget(owner(event))
        batch = partition.events
        if batch is None or not batch.add(stream, part, origin):
            check_size(self._routes.events, part)
            self._flush_events(number)
            route = self._routes.events
            partition.events = batch = Batch(route, self._services.checkpoints.begin(), time.monotonic())
            batch.add(stream, part, origin)

    def add_identification(self, stream: str, identification: Identification, origin: Origin) -> bool:
        """Take an identification; return whether it makes one more to send."""
        merger = self._merger(partition_key(identification.subject))
        before = merger.taken
        is_new = merger.add(stream, identification, self._input.keep(origin))
        self._note_waiting(merger.taken - before)
        return is_new

    def set_property(self, stream: str, one: UserProperty, origin: Origin) -> bool:
        """Take a value of one user property; return whether it makes one more identification to send."""
        merger = self._merger(one.key)
        before = merger.taken
        is_new = merger.set(stream, one, self._input.keep(origin))
        self._note_waiting(merger.taken - before)
        return is_new

    def _merger(self, key: str) -> Merger:
        """Return what merges the identifications of a user or group."""
        partition = self._partitions[hash(key) % self._count]
        if partition.hold is None:
            partition.hold = self._services.checkpoints.begin()
            partition.opened = time.monotonic()
        return partition.merger

    def _note_waiting(self, values: int) -> None:
        self._waiting += values
        if self._waiting >= MAX_WAITING:
            self._flush_merger(max(range(self._count), key=lambda number: self._partitions[number].merger.taken))
        elif self._input.size >= MAX_INPUT_BYTES:
            for number in range(self._count):
                self._flush_merger(number)
            self._input.size = 0

    def note_merged(self, stream: str) -> None:
        """Note that a record became part of an identification of others; it is counted when those are flushed."""
        self._merged[stream] += 1

    def flush_old(self) -> None:
        """Hand over what has been open for long."""
        now = time.monotonic()
        for number, partition in enumerate(self._partitions):
            if partition.events is not None and now - partition.events.opened >= EVENTS_SECONDS:
                self._flush_events(number)
            if partition.hold is not None and now - partition.opened >= IDENTIFICATIONS_SECONDS:
                self._flush_merger(number)

    def flush_all(self) -> None:
        """Hand over everything that is open."""
        for number in range(self._count):
            self._flush_merger(number)
            self._flush_events(number)

    def _flush_events(self, number: int) -> None:
        partition = self._partitions[number]
        if partition.events is not None:
            batch, partition.events = partition.events, None
            batch.hold.add(len(batch.payloads))
            batch.hold.done()  # nothing is added any more
            self._hand_over(number, batch.payloads)

    def _flush_merger(self, number: int) -> None:
        """Hand over identifications, after the events that came before them."""
        partition = self._partitions[number]
        if partition.hold is None:
            return
        self._flush_events(number)
        hold, partition.hold = partition.hold, None
        self._waiting -= partition.merger.taken
        payloads: dict[str, list[Payload]] = {}
        for merged in partition.merger.close():
            if (payload := self._payload(merged, hold)) is not None:
                payloads.setdefault(payload.route.kind, []).append(payload)
        self._merged.update(partition.merger.unchanged)
        for stream, merged_records in self._merged.items():
            self._services.summary.add("records_deduplicated", merged_records, "merged or unchanged", stream)
        self._merged.clear()
        hold.add(sum(map(len, payloads.values())))
        hold.done()
        for waiting in payloads.values():
            for chunk in chunks(waiting[0].route, waiting):
                self._hand_over(number, chunk)

    def _payload(self, merged: Merged, hold: Hold) -> Payload | None:
        """Return an identification as it is sent; None when it is too large, and then rejected."""
        route = self._routes.of(merged)
        content = as_sent(merged, route)
        part = route.part(_encode(content))
        (stream, first), *others = merged.sources
        try:
            check_size(route, part)
        except Rejected as reason:
            for source, origin in merged.sources:
                self._services.rejects.reject(source, str(reason), origin, None, content)
            return None
        return Payload(stream, part, first, hold, route, others, merged.changed)


def as_sent(identification: Identification, route: Route) -> dict[str, Any]:
    """Return an identification as it stands in a request."""
    sent: dict[str, Any] = identification.subject.copy()
    if identification.is_group:
        sent["group_properties"] = identification.operations
        return sent
    if identification.others:
        sent.update(identification.others)
    if identification.operations:
        sent["user_properties"] = identification.operations
    if route.is_form:
        return sent
    sent["event_type"] = IDENTIFY_EVENT
    sent["library"] = LIBRARY
    if identification.insert_id:
        sent["insert_id"] = identification.insert_id
    if identification.time is not None:
        sent["time"] = identification.time
    return sent
