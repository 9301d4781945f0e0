"""Delivers the requests of one lane: sends, and does what each answer asks for.

A user's things keep their order: whoever is told to wait is waited for, while the others go on.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any, NamedTuple, cast

import msgspec

from target_amplitude.api.endpoints import Route
from target_amplitude.api.responses import Again, Delivered, Halve, Reaction, Sort
from target_amplitude.common.errors import ConnectorError
from target_amplitude.common.target.delivery import finish
from target_amplitude.delivery.batching import Item, chunks
from target_amplitude.delivery.requests import InterruptedWait, Shared, gave_up, retry_waits
from target_amplitude.payloads.identification import partition_key

# Things of waiting ids that a lane keeps before it takes no more.
MOST_HELD = 4000

decode = msgspec.json.Decoder().decode


@dataclass
class Held:
    """What waits of one user or device.

    Attributes:
        until: Monotonic seconds when it may be sent again.
        items: In order.
    """

    until: float
    items: list[Item] = field(default_factory=list)


class Step(NamedTuple):
    """An answer's status, what to do about it, and whose things must wait."""

    status: int
    reaction: Reaction
    keys: frozenset[str]


class Sender:
    """Delivers the requests of one lane, in order."""

    def __init__(self, shared: Shared) -> None:
        self._shared = shared
        self._held: dict[str, Held] = {}
        self._deadlines: dict[str, float] = {}  # of those that are being sent again
        self.undelivered = 0

    def deliver(self, items: list[Item] | None) -> None:
        """Deliver the items of a request, and what has waited long enough; without items, everything that waits.

        Raises:
            ConnectorError: It cannot be delivered.
        """
        try:
            if self._held:
                self._send_held(everything=items is None)
            if items:
                self._send(self._unheld(items))
        except BaseException:
            self._shared.failed = True
            self._shared.stopping.set()  # reading and the waits of the other lanes end
            raise

    @property
    def due(self) -> bool:
        """Whether something has waited long enough. For any thread."""
        now = time.monotonic()
        return any(held.until <= now for held in list(self._held.values()))

    # Sending

    def _send(self, items: list[Item]) -> None:
        """Send items of one route until each is delivered, rejected, or held."""
        waiting = deque([items])
        while waiting:
            batch = waiting.popleft()
            try:
                if batch:
                    waiting.extendleft(reversed(self._attempt(batch)))
            except InterruptedWait:
                self.undelivered += len(batch)

    def _attempt(self, batch: list[Item]) -> list[list[Item]]:
        """Send a batch until it is answered for good; return what of it must be sent anew, in order."""
        waits = retry_waits()
        deadline = 0.0
        while isinstance((step := self._post(batch)).reaction, Again):
            reaction = step.reaction
            deadline = deadline or time.monotonic() + self._shared.patience
            self._shared.wait(next(waits) if reaction.seconds is None else reaction.seconds, deadline, reaction.why)
        if isinstance(step.reaction, Delivered):
            self._settle(batch, step.reaction.ingested)
            return []
        if isinstance(step.reaction, Sort):
            return [self._sorted(batch, step)]
        if isinstance(step.reaction, Halve):
            return self._halves(batch, step)
        raise ConnectorError(step.reaction.message)

    def _post(self, batch: list[Item]) -> Step:
        status, reaction = self._shared.ask(route_of(batch), [item.sent for item in batch])
        keys: frozenset[str] = frozenset()
        if isinstance(reaction, Sort) and (reaction.held or reaction.held_ids):
            keys = keys_to_hold(batch, reaction)
            if not keys and not reaction.rejected:  # ids are named, but none of ours: all wait
                reaction = Again(reaction.why, reaction.seconds)
        return Step(status, reaction, keys)

    def _sorted(self, batch: list[Item], step: Step) -> list[Item]:
        """Reject and hold what an answer names; return the rest."""
        sort = cast(Sort, step.reaction)
        rest: list[Item] = []
        for index, item in enumerate(batch):
            if index in sort.rejected:
                self._reject(item, sort.rejected[index], step.status)
            elif step.keys and (key := partition_key(content(item))) in step.keys:
                self._hold(key, item, sort)
            else:
                rest.append(item)
        return rest

    def _halves(self, batch: list[Item], step: Step) -> list[list[Item]]:
        """Return the halves of a batch that was refused without saying why; reject what is alone."""
        halve = cast(Halve, step.reaction)
        middle = len(batch) // 2
        if middle:
            return [batch[:middle], batch[middle:]]
        if halve.firewall and self._shared.client.post(route_of(batch), []).status == 403:
            raise ConnectorError(
                "Amplitude's firewall refuses even an empty request (403): it blocks this machine's address or country."
            )
        self._reject(batch[0], halve.reason, step.status)
        return []

    # Holding

    def _hold(self, key: str, item: Item, sort: Sort) -> None:
        held = self._held.get(key)
        if held is None:
            now = time.monotonic()
            deadline = self._deadlines.setdefault(key, now + self._shared.patience)
            if now >= deadline:
                raise ConnectorError(gave_up(self._shared.patience, sort.why))
            self._shared.summary.add("http_retry_count")
            self._shared.logger.warning("A user or device waits %.0f seconds: %s.", sort.seconds, sort.why)
            held = self._held[key] = Held(min(now + sort.seconds, deadline))
        held.items.append(item)

    def _unheld(self, items: list[Item]) -> list[Item]:
        """Put what belongs to those who wait behind what waits of them; return the rest."""
        if not self._held:
            return items
        rest: list[Item] = []
        for item in items:
            held = self._held.get(partition_key(content(item)))
            (rest if held is None else held.items).append(item)
        return rest

    def _send_held(self, *, everything: bool) -> None:
        """Send what has waited long enough; wait for it when all must go, or too much waits."""
        while self._held:
            soonest = min(held.until for held in self._held.values())
            count = sum(len(held.items) for held in self._held.values())
            now = time.monotonic()
            if soonest > now:
                if not everything and count < MOST_HELD:
                    return
                try:
                    self._shared.pause(soonest - now)
                except InterruptedWait:
                    self.undelivered += count
                    self._held.clear()
                    return
            due = [key for key, held in self._held.items() if held.until <= time.monotonic()]
            items = [item for key in due for item in self._held.pop(key).items]
            for route, group in groupby(items, key=lambda item: item.route):
                for batch in chunks(route, group):
                    self._send(self._unheld(batch))
            for key in due:
                if key not in self._held:
                    del self._deadlines[key]

    # The end of a thing's way

    def _settle(self, batch: Sequence[Item], ingested: int | None) -> None:
        confirmed = len(batch) if ingested is None else min(ingested, len(batch))
        self._shared.summary.add("records_sent", confirmed)
        if confirmed < len(batch):
            short = len(batch) - confirmed
            self._shared.summary.add("records_sent", short, "not confirmed")
            self._shared.logger.warning(
                "Amplitude took %d events of %d sent, by its own count. It may have known the others.",
                confirmed,
                len(batch),
            )
        finish(batch)

    def _reject(self, item: Item, reason: str, status: int) -> None:
        for stream, origin in ((item.stream, item.origin), *item.merged):
            self._shared.reject(stream, reason, origin, status, content(item))
        finish([item])


def route_of(batch: Sequence[Item]) -> Route:
    """Return how a batch is sent; its items all go the same way."""
    return batch[0].route


def content(item: Item) -> dict[str, Any]:
    """Return the event or identification in an item."""
    return dict(decode(item.route.json_text(item.sent)))


def keys_to_hold(batch: Sequence[Item], sort: Sort) -> frozenset[str]:
    """Return whose things must wait: those named by index, and those whose user or device is named."""
    keys = set()
    for index, item in enumerate(batch):
        thing = content(item)
        if index in sort.held or thing.get("user_id") in sort.held_ids or thing.get("device_id") in sort.held_ids:
            keys.add(partition_key(thing))
    return frozenset(keys)
