"""Events streamed to a URL, one per request.

Source: https://amplitude.com/docs/data/destination-catalog/webhooks and
https://amplitude.com/docs/data/destination-event-streaming-overview. The real waits between attempts add up to four
hours; here they are a setting.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import Any

import msgspec

from split_amplitude_sandbox.amplitude.routes.sender import Sender, deliver
from split_amplitude_sandbox.amplitude.rows import pages
from split_amplitude_sandbox.amplitude.services import Services
from split_amplitude_sandbox.calls import OWN, Calls, call, pushing

CURSOR = "stream cursor"
NOT_STREAMED = frozenset({"_all", "_identify"})
ATTEMPTS = 10
QUICK_WAITS = (0.1, 0.2)
"""Inside an attempt a 5xx or 429 is tried twice more."""


class EventStream(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """What `POST /_sandbox/amplitude/stream-events` takes; the README of the sandbox describes each member."""

    url: str
    headers: dict[str, str] = {}
    event_types: tuple[str, ...] = ("*",)
    without: list[str] = []
    from_start: bool = False
    connections: int = 1
    copies: int = 1
    timeout_seconds: float = 4
    attempts: int = ATTEMPTS
    attempt_seconds: float = 1


class EventStreaming(Calls[Services]):
    """Sends the events that came in since the last call for the same URL."""

    @call("POST", f"{OWN}/amplitude/stream-events", pushing)
    async def stream(self, body: bytes) -> dict[str, Any]:
        """Stream events; an event that is not accepted in the last attempt is dropped, as the real service does.

        Raises:
            ValueError: a member is wrong, or the URL leaves this machine.
        """
        order = msgspec.json.decode(body, type=EventStream)
        senders = [Sender(order.url, order.headers, order.timeout_seconds) for _ in range(max(order.connections, 1))]
        known = self._services.store.document(CURSOR, order.url)
        number = 0 if order.from_start or known is None else known["number"]
        counts: Counter[str] = Counter()
        try:
            for page in pages(self._services.store, after=number):
                bodies = iter([text for row in page for text in _bodies(order, row.row)])
                await asyncio.gather(*(_send(order, sender, bodies, counts) for sender in senders))
                self._services.store.put_document(CURSOR, order.url, {"number": page[-1].number})
        finally:
            for sender in senders:
                sender.close()
        self._services.log.add("event stream", order.url, counts["delivered"], delivered=not counts["dropped"])
        return {name: counts[name] for name in ("delivered", "dropped", "requests")}


def _bodies(order: EventStream, row: dict[str, Any]) -> Iterator[bytes]:
    event_type = str(row.get("event_type"))
    if event_type in NOT_STREAMED or not any(fnmatchcase(event_type, one) for one in order.event_types):
        return
    shown = {name: _shown(name, value) for name, value in row.items() if name not in order.without}
    for _ in range(order.copies):
        yield msgspec.json.encode(shown)


def _shown(name: str, value: Any) -> Any:
    """A member of the body: user properties are sent as strings."""
    if name == "user_properties" and isinstance(value, dict):
        return {key: _text(inner) for key, inner in value.items()}
    return value


def _text(value: Any) -> str | None:
    return value if value is None or isinstance(value, str) else msgspec.json.encode(value).decode()


async def _send(order: EventStream, sender: Sender, bodies: Iterator[bytes], counts: Counter[str]) -> None:
    for body in bodies:
        for attempt in range(order.attempts):
            if attempt:
                await asyncio.sleep(order.attempt_seconds)
            delivery = await deliver(sender, body, QUICK_WAITS, _is_quickly_retried)
            counts["requests"] += len(delivery.statuses)
            if delivery.delivered:
                counts["delivered"] += 1
                break
        else:
            counts["dropped"] += 1


def _is_quickly_retried(status: int | None) -> bool:
    return status is not None and (status == 429 or status >= 500)
