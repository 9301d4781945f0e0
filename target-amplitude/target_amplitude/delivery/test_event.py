"""`--send-test-event`: one marked event, and Amplitude's answer in words."""

from __future__ import annotations

import time
import uuid

import msgspec

from target_amplitude.api.client import Client
from target_amplitude.api.endpoints import Route
from target_amplitude.api.responses import Again, Delivered, Halve, Reaction, Sort, Stop, react
from target_amplitude.common.errors import ConnectorError
from target_amplitude.payloads.event import LIBRARY

EVENT_TYPE = "target-amplitude test"
USER_ID = "target-amplitude-test"


def send_marked_event(client: Client, route: Route) -> str:
    """Send one event that is marked as a test; return what became of it, in words.

    Raises:
        ConnectorError: Amplitude did not take it; the message says why and what to do.
    """
    event = {
        "user_id": USER_ID,
        "event_type": EVENT_TYPE,
        "time": time.time_ns() // 1_000_000,
        "event_properties": {"test": True},
        "insert_id": uuid.uuid4().hex,
        "library": LIBRARY,
    }
    answer = client.post(route, [msgspec.json.encode(event)])
    reaction = react(answer, route, 1)
    if isinstance(reaction, Delivered) and reaction.ingested != 0:
        return (
            f"Amplitude ({client.url}) took the test event '{EVENT_TYPE}' of user '{USER_ID}'. Look for it under the "
            "user's activity."
        )
    if isinstance(reaction, Stop):
        raise ConnectorError(reaction.message)
    raise ConnectorError(f"The test event was not taken: {reason(reaction)}.")


def reason(reaction: Reaction) -> str:
    """Return why an event was not taken, in words."""
    if isinstance(reaction, Halve):
        return reaction.reason
    if isinstance(reaction, Sort):
        return next(iter(reaction.rejected.values()), reaction.why)
    return reaction.why if isinstance(reaction, Again) else "Amplitude counts no event in it"
