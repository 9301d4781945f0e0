"""`--check` and `--send-test-event`: is the key accepted, and what does Amplitude answer?"""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from target_amplitude.api.client import Client, Transport
from target_amplitude.api.endpoints import HOSTS, Route
from target_amplitude.api.responses import Action, Reaction, react
from target_amplitude.common.errors import ConnectorError, RetriableError
from target_amplitude.common.retry import sentence
from target_amplitude.common.summary import Summary
from target_amplitude.payloads.event import LIBRARY

EVENT_TYPE = "target-amplitude test"
USER_ID = "target-amplitude-test"
# An event without any id. Amplitude checks the key first and then refuses the whole request, so nothing is stored.
INVALID_EVENT = {"event_type": EVENT_TYPE, "insert_id": "target-amplitude-check"}


def check_connection(transport: Transport, route: Route, config: Mapping[str, Any], summary: Summary) -> Iterator[str]:
    """Check that Amplitude knows the API key; yield what can be said, line by line. Nothing is stored.

    Raises:
        ConnectorError: Amplitude cannot be reached, or it refuses the key.
    """
    region = config["region"]
    yield f"Sending to {transport.url}{route.endpoint.path}" + ("." if config.get("api_url") else f", region {region}.")
    reaction = _ask(transport, route, INVALID_EVENT)
    if reaction.action is Action.STOP and reaction.status in (400, 401) and not config.get("api_url"):
        other = next(name for name in HOSTS if name != region)
        if _ask(Client(HOSTS[other], 1, summary), route, INVALID_EVENT).action is not Action.STOP:
            raise ConnectorError(
                f"The API key belongs to a project in region {other}, not {region}. Set 'region' to {other}."
            )
    if reaction.action in (Action.STOP, Action.SEND_PLAIN):
        raise ConnectorError(reaction.message)
    if reaction.action is Action.RETRY or reaction.status not in (200, 400):
        raise ConnectorError(f"{sentence(reaction.message)} Try again later, or check 'api_url'.")
    yield "Amplitude accepts the API key."


def send_test_event(transport: Transport, route: Route) -> str:
    """Send one event that is marked as a test; return what became of it, in words.

    Raises:
        ConnectorError: Amplitude did not accept it; the message says why and what to do.
    """
    reaction = _ask(
        transport,
        route,
        {
            "user_id": USER_ID,
            "event_type": EVENT_TYPE,
            "time": time.time_ns() // 1_000_000,
            "event_properties": {"test": True},
            "insert_id": uuid.uuid4().hex,
            "library": LIBRARY,
        },
    )
    if reaction.action is Action.ACCEPT and reaction.ingested != 0:
        return (
            f"Amplitude ({transport.url}) accepted the test event '{EVENT_TYPE}' of user '{USER_ID}'. Look for it in "
            "the user's activity."
        )
    if reaction.action in (Action.STOP, Action.SEND_PLAIN):
        raise ConnectorError(reaction.message)
    reason = next(iter(reaction.rejected.values()), reaction.message) or "Amplitude counts no event in the request"
    raise ConnectorError(f"The test event was not accepted: {reason}.")


def _ask(transport: Transport, route: Route, event: Mapping[str, Any]) -> Reaction:
    """Send one event; without compression where that may be the cause of a refusal.

    Raises:
        ConnectorError: No answer came.
    """
    parts = [msgspec.json.encode(event)]
    try:
        answer = transport.post(route, parts)
        if react(answer, route, 1).action is Action.SEND_PLAIN and answer.was_compressed:
            transport.is_compressing = False
            answer = transport.post(route, parts)
    except RetriableError as error:
        raise ConnectorError(f"{sentence(str(error))} Check the network, the proxy and 'api_url'.") from None
    return react(answer, route, 1)
