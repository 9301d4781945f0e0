"""Delivers the batches of one worker: sends each, and does what its answer asks for."""

from __future__ import annotations

import time
from collections import Counter, deque
from itertools import groupby

from target_amplitude.api.responses import OVER_QUOTA, Action, Named, Reaction
from target_amplitude.common.errors import ConnectorError
from target_amplitude.common.retry import StoppedError, sentence
from target_amplitude.common.target.delivery import finish
from target_amplitude.common.target.services import Services
from target_amplitude.delivery.batch import Payload, chunks
from target_amplitude.delivery.gateway import Gateway
from target_amplitude.delivery.held_back import HeldBack
from target_amplitude.delivery.property_times import PropertyTimes
from target_amplitude.payloads.identification import partition_key

# Payloads that a worker holds back before it takes no more.
MAX_HELD = 4000


class Sender:
    """Delivers batches in order. A user's payloads keep their order; throttled users do not block the rest.

    Args:
        retry_timeout_seconds: How long an id is held back.
        on_quota: What to do about ids over their daily quota: `wait` or `reject`.

    Attributes:
        undelivered: Payloads that were given up because the run is to end.
    """

    def __init__(
        self,
        gateway: Gateway,
        services: Services,
        retry_timeout_seconds: float,
        on_quota: str,
        times: PropertyTimes | None = None,
    ) -> None:
        self._gateway = gateway
        self._times = times
        self._services = services
        self._rejects_quota = on_quota == "reject"
        self._held = HeldBack(retry_timeout_seconds)
        self.undelivered = 0

    def deliver(self, batch: list[Payload] | None) -> None:
        """Deliver a batch, and what has waited long enough; without a batch, everything that waits.

        Raises:
            ConnectorError: It cannot be delivered.
        """
        try:
            if self._held:
                self._send_held(everything=batch is None)
            if batch:
                self._send(self._held.divert(batch))
        except BaseException:
            self._gateway.fail()
            raise

    @property
    def due(self) -> bool:
        """Whether something has waited long enough. For any thread."""
        return self._held.is_due()

    # Sending

    def _send(self, batch: list[Payload]) -> None:
        """Send payloads of one route until each is delivered, rejected, or held back."""
        waiting = deque([batch])
        while waiting:
            payloads = waiting.popleft()
            try:
                if payloads:
                    waiting.extendleft(reversed(self._attempt(payloads)))
            except StoppedError:
                self.undelivered += len(payloads)

    def _attempt(self, batch: list[Payload]) -> list[list[Payload]]:
        """Send a batch until its answer is final; return what of it must be sent anew, in order.

        Raises:
            ConnectorError: Nothing can be delivered, or the time for retries is over.
            StoppedError: The run is to end.
        """
        reaction = self._final_reaction(batch)
        if reaction.action is Action.STOP:
            raise ConnectorError(reaction.message)
        if reaction.action is Action.SORT:
            return [self._sorted(batch, reaction)]
        if reaction.action is Action.BISECT:
            return self._halves(batch, reaction)
        self._accept(batch, reaction.ingested)
        return []

    def _final_reaction(self, batch: list[Payload]) -> Reaction:
        route, parts = batch[0].route, [payload.sent for payload in batch]
        retry = self._gateway.new_retry()
        while True:
            reaction = self._gateway.ask(route, parts)
            if reaction.action is Action.SORT and not reaction.rejected and not self._named(batch, reaction):
                retry.wait(reaction.message, reaction.wait_seconds)  # ids are named, but none of ours: all wait
            elif reaction.action is Action.RETRY:
                retry.wait(reaction.message, reaction.wait_seconds)
            else:
                return reaction

    def _named(self, batch: list[Payload], reaction: Reaction) -> bool:
        return bool(keys_of(batch, reaction.throttled) or keys_of(batch, reaction.over_quota))

    def _sorted(self, batch: list[Payload], reaction: Reaction) -> list[Payload]:
        """Reject and hold back what an answer names; return the rest."""
        over_quota, throttled = keys_of(batch, reaction.over_quota), keys_of(batch, reaction.throttled)
        rest: list[Payload] = []
        for index, payload in enumerate(batch):
            key = partition_key(payload.content())
            if index in reaction.rejected:
                self._reject(payload, reaction.rejected[index], reaction.status)
            elif key in over_quota and self._rejects_quota:
                self._reject(payload, OVER_QUOTA, reaction.status)
            elif key in over_quota or key in throttled:
                self._hold(key, payload, reaction, is_over_quota=key in over_quota)
            else:
                rest.append(payload)
        return rest

    def _halves(self, batch: list[Payload], reaction: Reaction) -> list[list[Payload]]:
        """Return the halves of a batch that was refused without saying why; reject what is alone."""
        middle = len(batch) // 2
        if middle:
            return [batch[:middle], batch[middle:]]
        if reaction.status == 403 and self._gateway.refuses_everything(batch[0].route):
            raise ConnectorError(
                "Amplitude's firewall refuses even a request without events (403): it blocks this machine's address or "
                "country."
            )
        self._reject(batch[0], reaction.message, reaction.status)
        return []

    # Holding back

    def _hold(self, key: str, payload: Payload, reaction: Reaction, *, is_over_quota: bool) -> None:
        seconds = reaction.wait_seconds or 0.0
        is_first = self._held.hold(key, payload, seconds, is_over_quota=is_over_quota)
        if is_first is None:
            if not is_over_quota:
                raise ConnectorError(
                    f"{sentence(reaction.message)} It was still so after the retry timeout. Run again later, or raise "
                    "'retry_timeout_seconds'."
                )
            self._reject(payload, OVER_QUOTA, reaction.status)
        elif is_first:
            self._services.summary.add("http_retry_count")
            self._services.logger.warning("A user or device waits %.0f seconds: %s.", seconds, reaction.message)

    def _send_held(self, *, everything: bool) -> None:
        """Send what has waited long enough; wait for it when all must go, or too much is held back."""
        while self._held:
            seconds = self._held.soonest - time.monotonic()
            if seconds > 0:
                if not everything and len(self._held) < MAX_HELD:
                    return
                if not everything and (over_quota := self._held.take_over_quota()):
                    for payload in over_quota:  # others must not wait for these
                        self._reject(payload, OVER_QUOTA, 429)
                    continue
                try:
                    self._gateway.pause(seconds)
                except StoppedError:
                    self.undelivered += len(self._held.take_all())
                    return
            for route, group in groupby(self._held.take_due(), key=lambda payload: payload.route):
                for batch in chunks(route, group):
                    self._send(self._held.divert(batch))

    # The end of a payload's way

    def _accept(self, batch: list[Payload], ingested: int | None) -> None:
        metric, reason = self._gateway.transport.accepted_as
        confirmed = len(batch) if ingested is None else min(ingested, len(batch))
        # Which of them are not confirmed is not told.
        for part, why in ((batch[:confirmed], reason), (batch[confirmed:], "not confirmed")):
            for stream, count in Counter(payload.stream for payload in part).items():
                self._services.summary.add(metric, count, why, stream)
        if confirmed < len(batch):
            self._services.logger.warning(
                "Amplitude counted %d events of %d sent. It may have known the others.", confirmed, len(batch)
            )
        self._held.accepted(batch)
        if self._times is not None and (changes := [payload.changed for payload in batch if payload.changed]):
            self._times.record(changes)
        finish(batch)

    def _reject(self, payload: Payload, reason: str, status: int) -> None:
        for stream, origin in ((payload.stream, payload.origin), *payload.merged):
            self._services.rejects.reject(stream, reason, origin, status, payload.json_text())
        finish([payload])


def keys_of(batch: list[Payload], named: Named) -> frozenset[str]:
    """Return the ordering ids of the payloads that an answer names by position, user or device."""
    if not named:
        return frozenset()
    keys = set()
    for index, payload in enumerate(batch):
        content = payload.content()
        if index in named.indexes or content.get("user_id") in named.ids or content.get("device_id") in named.ids:
            keys.add(partition_key(content))
    return frozenset(keys)
