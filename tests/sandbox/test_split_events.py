"""Events into Split: https://developer.harness.io/docs/feature-management-experimentation/api/events."""

from __future__ import annotations

import gzip
import json
from typing import Any

import pytest
import requests

from support.sandbox import Sandbox

HEADERS = {"Authorization": "Bearer test-sdk-key"}
MOMENT = 1_767_261_655_000


def event(**members: Any) -> dict[str, Any]:
    return {"eventTypeId": "amp.seen", "trafficTypeName": "user", "key": "cust-7f31", "timestamp": MOMENT} | members


def post(sandbox: Sandbox, *events: dict[str, Any], **options: Any) -> requests.Response:
    return sandbox.http.post(sandbox.url + "/api/events/bulk", json=list(events), headers=HEADERS, **options)


def test_accepted_events_are_kept_as_sent_and_never_deduplicated(sandbox: Sandbox) -> None:
    first = event(value=59.9, properties={"country": "AR", "items": 3, "first_order": True, "coupon": None})
    answer = post(sandbox, first, first)
    assert (answer.status_code, answer.content) == (202, b"")
    assert post(sandbox, first, event(value=None, environmentName="Production")).status_code == 202
    assert sandbox.split_events() == [first, first, first, event(value=None, environmentName="Production")]
    assert [request["items"] for request in sandbox.requests("/api/events/bulk")] == [2, 2]


def test_a_single_event_is_accepted(sandbox: Sandbox) -> None:
    answer = sandbox.http.post(sandbox.url + "/api/events", json=event(), headers=HEADERS)
    assert answer.status_code == 202
    assert sandbox.split_events() == [event()]


@pytest.mark.parametrize(
    ("members", "part"),
    [
        ({"eventTypeId": "[Amplitude] Page Viewed"}, "eventTypeId"),
        ({"eventTypeId": ".seen"}, "eventTypeId"),
        ({"eventTypeId": "x" * 81}, "eventTypeId"),
        ({"eventTypeId": None}, "eventTypeId"),
        ({"trafficTypeName": "tt-user"}, "trafficTypeName"),
        ({"trafficTypeName": "unknown"}, "trafficTypeName"),
        ({"environmentName": "unknown"}, "environmentName"),
        ({"key": ""}, "key"),
        ({"key": " cust"}, "key"),
        ({"key": "k" * 251}, "key"),
        ({"key": None}, "key"),
        ({"timestamp": 1_767_261_655}, "timestamp"),
        ({"timestamp": "1767261655000"}, "timestamp"),
        ({"value": "59.9"}, "value"),
        ({"value": True}, "value"),
        ({"properties": {"nested": {"a": 1}}}, "properties"),
        ({"properties": {f"p{i}": 1 for i in range(301)}}, "properties"),
        ({"properties": {"text": "x" * 257}}, "text"),
        ({"properties": {f"p{i:03}": "x" * 256 for i in range(150)}}, "properties"),
    ],
)
def test_a_bad_event_refuses_the_request(sandbox: Sandbox, members: dict[str, Any], part: str) -> None:
    answer = post(sandbox, event(), event(**members))
    assert answer.status_code == 400
    assert answer.json()["code"] == 400
    assert answer.json()["message"].startswith("Event 1: ")
    assert part in answer.json()["message"]
    assert sandbox.split_events() == []


def test_events_at_the_limits_are_accepted(sandbox: Sandbox) -> None:
    largest = event(
        eventTypeId="x" * 80,
        key="k" * 250,
        timestamp=100_000_000_000,
        properties={f"p{i:03}": "x" * 100 for i in range(300)} | {"p000": "x" * 256},
    )
    assert post(sandbox, largest).status_code == 202


def test_a_body_is_a_megabyte_at_most(sandbox: Sandbox) -> None:
    events = [event(properties={"text": "x" * 200}) for _ in range(3000)]
    size = len(json.dumps(events[:1])) - 2
    assert post(sandbox, *events[: 900_000 // size]).status_code == 202
    assert post(sandbox, *events * 2).status_code == 413


def test_compressed_bodies_are_not_understood(sandbox: Sandbox) -> None:
    answer = sandbox.http.post(
        sandbox.url + "/api/events/bulk",
        data=gzip.compress(json.dumps([event()]).encode()),
        headers=HEADERS | {"Content-Type": "application/json", "Content-Encoding": "gzip"},
    )
    assert answer.status_code == 400


def test_an_event_may_span_lines(sandbox: Sandbox) -> None:
    headers = HEADERS | {"Content-Type": "application/json"}
    body = json.dumps(event(), indent=2)
    assert sandbox.http.post(sandbox.url + "/api/events", data=body, headers=headers).status_code == 202
    assert sandbox.split_events() == [event()]


@pytest.mark.parametrize("body", [b"", b"{}", b"[1", b"[1]", b"[" * 100_000])
def test_a_body_that_is_not_a_list_of_events_is_refused(sandbox: Sandbox, body: bytes) -> None:
    headers = HEADERS | {"Content-Type": "application/json"}
    assert sandbox.http.post(sandbox.url + "/api/events/bulk", data=body, headers=headers).status_code == 400


@pytest.mark.parametrize(
    "headers",
    [{}, {"Authorization": "Bearer wrong-key"}, {"Authorization": "test-sdk-key"}, {"x-api-key": "test-sdk-key"}],
)
def test_an_sdk_key_is_needed(sandbox: Sandbox, headers: dict[str, str]) -> None:
    answer = sandbox.http.post(sandbox.url + "/api/events/bulk", json=[event()], headers=headers)
    assert answer.status_code == 401
    assert set(answer.json()) == {"code", "message", "details", "transactionId"}
