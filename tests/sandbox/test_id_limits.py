"""Ids that Amplitude refuses: https://amplitude.com/docs/apis/analytics/batch-event-upload."""

from __future__ import annotations

from typing import Any

import requests

from support.sandbox import Sandbox

EVENTS = [
    {"event_type": "seen", "user_id": "user-0001", "device_id": "device-1"},
    {"event_type": "seen", "user_id": "user-0002", "device_id": "device-2"},
    {"event_type": "seen", "user_id": "user-0001", "device_id": "device-3"},
]


def post(sandbox: Sandbox, path: str = "/batch") -> requests.Response:
    return sandbox.http.post(sandbox.url + path, json={"api_key": "test-api-key", "events": EVENTS})


def settings(sandbox: Sandbox, **members: Any) -> None:
    sandbox.call("POST", "/amplitude/settings", members)


def test_a_user_over_the_daily_quota(sandbox: Sandbox) -> None:
    settings(sandbox, over_daily_quota_users={"user-0001": None}, over_daily_quota_devices={"device-2": 1})
    answer = post(sandbox)
    assert answer.status_code == 429
    assert answer.json() == {
        "code": 429,
        "error": "Too many requests for some devices and users",
        "eps_threshold": 1000,
        "throttled_devices": {},
        "throttled_users": {},
        "exceeded_daily_quota_users": {"user-0001": 500_001},
        "exceeded_daily_quota_devices": {"device-2": 500_001},
        "throttled_events": [0, 1, 2],
    }
    assert post(sandbox).json()["throttled_events"] == [0, 2]
    assert sandbox.amplitude_events() == []
    assert post(sandbox, "/2/httpapi").status_code == 200


def test_a_throttled_user_is_accepted_after_some_answers(sandbox: Sandbox) -> None:
    settings(sandbox, throttled_users={"user-0002": 2}, throttled_devices={"device-9": None})
    first = post(sandbox, "/2/httpapi").json()
    assert (first["eps_threshold"], first["throttled_users"]) == (30, {"user-0002": 31})
    assert "exceeded_daily_quota_users" not in first
    assert first["throttled_events"] == [1]
    assert [post(sandbox).status_code for _ in range(2)] == [429, 200]


def test_a_silenced_device(sandbox: Sandbox) -> None:
    settings(sandbox, silenced_devices=["device-3"])
    answer = post(sandbox)
    assert answer.status_code == 400
    body = answer.json()
    assert body["error"] == "Events silenced for device_id"
    assert (body["silenced_devices"], body["silenced_events"]) == (["device-3"], [2])
    sandbox.reset()
    assert post(sandbox).status_code == 200
