"""Payloads of users and devices that Amplitude throttles: they wait, in order, while the others go on."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass, field

from target_amplitude.delivery.batch import Payload
from target_amplitude.payloads.identification import partition_key


@dataclass
class Held:
    """What waits of one user or device.

    Attributes:
        until: Monotonic seconds when it may be sent again.
        is_over_quota: Whether it waits for the daily quota, not for the rate of events.
        payloads: In order.
    """

    until: float
    is_over_quota: bool
    payloads: list[Payload] = field(default_factory=list)


class HeldBack:
    """What one worker holds back, by the id that keeps requests in order.

    Args:
        timeout_seconds: How long an id is held back, from its first refusal until something of it is accepted.
    """

    def __init__(self, timeout_seconds: float) -> None:
        self._timeout_seconds = timeout_seconds
        self._held: dict[str, Held] = {}
        self._deadlines: dict[str, float] = {}

    def __len__(self) -> int:
        return sum(len(held.payloads) for held in self._held.values())

    def __bool__(self) -> bool:
        return bool(self._held)

    def hold(self, key: str, payload: Payload, seconds: float, *, is_over_quota: bool) -> bool | None:
        """Hold back a payload.

        Returns:
            Whether this is the first one of its id; None, without holding it, when the id's time is over.
        """
        held = self._held.get(key)
        is_first = held is None
        if held is None:
            now = time.monotonic()
            deadline = self._deadlines.setdefault(key, now + self._timeout_seconds)
            if now >= deadline:
                return None
            held = self._held[key] = Held(min(now + seconds, deadline), is_over_quota)
        held.payloads.append(payload)
        return is_first

    def divert(self, payloads: list[Payload]) -> list[Payload]:
        """Put what belongs to held ids behind what waits of them; return the rest."""
        if not self._held:
            return payloads
        rest: list[Payload] = []
        for payload in payloads:
            held = self._held.get(partition_key(payload.content()))
            (rest if held is None else held.payloads).append(payload)
        return rest

    @property
    def soonest(self) -> float:
        """Monotonic seconds when the first id may be sent again."""
        return min(held.until for held in self._held.values())

    def is_due(self) -> bool:
        """Whether something has waited long enough. For any thread."""
        now = time.monotonic()
        return any(held.until <= now for held in list(self._held.values()))

    def take_due(self) -> list[Payload]:
        """Return what has waited long enough, each id's in order, and hold it no more."""
        now = time.monotonic()
        keys = [key for key, held in self._held.items() if held.until <= now]
        return [payload for key in keys for payload in self._held.pop(key).payloads]

    def take_over_quota(self) -> list[Payload]:
        """Return what waits for the daily quota, and hold it no more."""
        keys = [key for key, held in self._held.items() if held.is_over_quota]
        return [payload for key in keys for payload in self._held.pop(key).payloads]

    def take_all(self) -> list[Payload]:
        """Return everything, and hold nothing any more."""
        payloads = [payload for held in self._held.values() for payload in held.payloads]
        self._held.clear()
        return payloads

    def accepted(self, payloads: Iterable[Payload]) -> None:
        """Note that payloads were accepted: their ids have all the time again."""
        if self._deadlines:
            for payload in payloads:
                self._deadlines.pop(partition_key(payload.content()), None)
