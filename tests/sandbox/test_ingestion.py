"""Events into Amplitude: https://amplitude.com/docs/apis/analytics/http-v2 and …/batch-event-upload."""

from __future__ import annotations

import gzip
import json
import time
from typing import Any

import pytest
import requests

from support.sandbox import Sandbox

KEY = "test-api-key"
MOMENT = 1_773_480_413_589
ENDPOINTS = ("/2/httpapi", "/batch")


def event(**members: Any) -> dict[str, Any]:
    return {"event_type": "seen", "user_id": "user-0042", "time": MOMENT} | members


def post(sandbox: Sandbox, *events: dict[str, Any], path: str = "/batch", **body: Any) -> requests.Response:
    return sandbox.http.post(sandbox.url + path, json={"api_key": KEY, "events": list(events)} | body)


@pytest.mark.parametrize("path", ENDPOINTS)
def test_accepted_events_are_counted_and_kept_as_sent(sandbox: Sandbox, path: str) -> None:
    sent = event(event_properties={"cart": {"total": 41.9, "tags": ["été", "東京"]}}, insert_id="one")
    before = time.time_ns() // 1_000_000
    answer = post(sandbox, sent, event(insert_id="two"), path=path)
    body = answer.json()
    assert answer.status_code == 200
    assert body["code"] == 200
    assert body["events_ingested"] == 2
    assert body["payload_size_bytes"] == len(answer.request.body)
    assert before <= body["server_upload_time"] <= time.time_ns() // 1_000_000
    first, second = sandbox.amplitude_events()
    assert first | sent == first
    assert first["server_upload_time"] == body["server_upload_time"]
    assert first["amplitude_id"] == second["amplitude_id"]
    assert first["uuid"] != second["uuid"]


@pytest.mark.parametrize("path", ENDPOINTS)
def test_gzip_bodies_are_accepted(sandbox: Sandbox, path: str) -> None:
    body = json.dumps({"api_key": KEY, "events": [event()]}).encode()
    answer = sandbox.http.post(
        sandbox.url + path,
        data=gzip.compress(body),
        headers={"Content-Type": "application/json", "Content-Encoding": "gzip"},
    )
    assert answer.json()["events_ingested"] == 1
    assert answer.json()["payload_size_bytes"] == len(body)
    (request,) = sandbox.requests(path)
    assert request["bytes"] < len(body)
    assert request["items"] == 1


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (b"", "Missing request body"),
        (b"{", "Invalid JSON request body"),
        (b"[]", "Invalid JSON request body"),
        (b'{"api_key": "k", "events": [{"event_type": NaN}]}', "Invalid JSON request body"),
        (b'{"api_key": "k", "events": [' + b"[" * 100_000, "Invalid JSON request body"),
        (
            b'{"api_key": "k", "events": [{"event_type": "seen", "user_id": "user-7"}], "client_upload_time": "now"}',
            "Invalid JSON request body",
        ),
        (b'{"events": [{}]}', "Request missing required field"),
        (b'{"api_key": "k"}', "Request missing required field"),
        (b'{"api_key": "k", "events": []}', "Request missing required field"),
        (b'{"api_key": "wrong-key", "events": [{}]}', "Invalid API key: wrong-key"),
        (b'{"api_key": "other-region-key", "events": [{}]}', "Invalid API key: other-region-key"),
    ],
)
def test_a_bad_request_is_named(sandbox: Sandbox, body: bytes, error: str) -> None:
    answer = sandbox.http.post(sandbox.url + "/batch", data=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 400
    assert answer.json()["code"] == 400
    assert answer.json()["error"] == error
    assert sandbox.amplitude_events() == []


def test_the_missing_field_is_named(sandbox: Sandbox) -> None:
    answer = sandbox.http.post(sandbox.url + "/batch", json={"events": [event()]})
    assert answer.json() == {
        "code": 400,
        "error": "Request missing required field",
        "missing_field": "api_key",
        "events_with_invalid_fields": {},
        "events_with_missing_fields": {},
    }


def test_json_needs_its_content_type(sandbox: Sandbox) -> None:
    answer = sandbox.http.post(sandbox.url + "/batch", data=json.dumps({"api_key": KEY, "events": [event()]}))
    assert answer.status_code == 400


@pytest.mark.parametrize(("path", "times", "types"), [("/batch", [1, 3], [2, 4]), ("/2/httpapi", [1], [2])])
def test_bad_events_are_named_by_index_and_nothing_is_stored(
    sandbox: Sandbox, path: str, times: list[int], types: list[int]
) -> None:
    """Batch lists all failing events, HTTP V2 the first of each field."""
    nameless = {"user_id": "user-0042"}
    ill_timed = event(time="2026-03-14")
    answer = post(sandbox, event(), ill_timed, nameless, ill_timed, nameless, path=path)
    assert answer.status_code == 400
    assert answer.json() == {
        "code": 400,
        "error": "Invalid field values on some events",
        "missing_field": None,
        "events_with_invalid_fields": {"time": times},
        "events_with_missing_fields": {"event_type": types},
    }
    assert sandbox.amplitude_events() == []


@pytest.mark.parametrize(
    ("members", "field"),
    [
        ({"user_id": 42}, "user_id"),
        ({"event_properties": "text"}, "event_properties"),
        ({"price": "1"}, "price"),
        ({"time": 2**63}, "time"),
        ({"session_id": 2**70}, "session_id"),
        ({"groups": {f"type {i}": "value" for i in range(6)}}, "groups"),
        ({"groups": {"type": [str(i) for i in range(11)]}}, "groups"),
        ({"user_properties": {"$set": {"plan": "gold"}, "plan": "gold"}}, "user_properties"),
        ({"user_properties": {"$multiply": {"visits": 2}}}, "user_properties"),
        ({"user_properties": {"$add": {"visits": "2"}}}, "user_properties"),
        ({"user_id": "Anonymous"}, "user_id"),
        ({"user_id": " null "}, "user_id"),
        ({"user_id": ""}, "user_id"),
        ({"device_id": "00000000-0000-0000-0000-000000000000"}, "device_id"),
    ],
)
def test_a_bad_value_is_named_by_its_field(sandbox: Sandbox, members: dict[str, Any], field: str) -> None:
    answer = post(sandbox, event(), event(**members))
    assert answer.status_code == 400
    assert answer.json()["events_with_invalid_fields"] == {field: [1]}


def test_an_event_of_nobody_is_refused(sandbox: Sandbox) -> None:
    answer = post(sandbox, {"event_type": "seen"})
    assert answer.json()["events_with_missing_fields"] == {"user_id": [0]}


def test_objects_nest_to_forty_levels(sandbox: Sandbox) -> None:
    def nested(levels: int) -> Any:
        return {"in": nested(levels - 1)} if levels else 1

    assert post(sandbox, event(event_properties=nested(40))).status_code == 200
    answer = post(sandbox, event(event_properties=nested(41)))
    assert answer.json()["events_with_invalid_fields"] == {"event_properties": [0]}


def test_an_event_with_nothing_but_short_ids_is_refused_unless_they_are_allowed(sandbox: Sandbox) -> None:
    short = [event(user_id="u1"), event(), event(user_id=None, device_id="d")]
    answer = post(sandbox, *short)
    assert answer.status_code == 400
    assert answer.json() == {
        "code": 400,
        "error": "Invalid id length for user_id or device_id",
        "events_with_invalid_id_lengths": {"user_id": [0], "device_id": [2]},
    }
    assert post(sandbox, *short, options={"min_id_length": 1}).status_code == 200


def test_a_short_id_is_removed_from_an_event_that_has_another(sandbox: Sandbox) -> None:
    one, other = event(device_id="d"), event(user_id="u1", device_id="device-0042")
    assert post(sandbox, one, other).status_code == 200
    assert [(found.get("user_id"), found.get("device_id")) for found in sandbox.amplitude_events()] == [
        (one["user_id"], None),
        (None, other["device_id"]),
    ]


@pytest.mark.parametrize(
    ("path", "size", "status"),
    [("/2/httpapi", 999_999, 200), ("/2/httpapi", 1_000_000, 413), ("/batch", 1_000_000, 200)],
)
def test_bodies_are_limited_before_compression(sandbox: Sandbox, path: str, size: int, status: int) -> None:
    body = json.dumps({"api_key": KEY, "events": [event(event_properties={"text": ""})]}).encode()
    body = body.replace(b'"text": ""', b'"text": "' + b"x" * (size - len(body)) + b'"')
    assert len(body) == size
    answer = sandbox.http.post(
        sandbox.url + path,
        data=gzip.compress(body),
        headers={"Content-Type": "application/json", "Content-Encoding": "gzip"},
    )
    assert answer.status_code == status
    if status == 413:
        assert answer.json() == {"code": 413, "error": "Payload too large"}


def test_batch_takes_twenty_megabytes_and_no_more(sandbox: Sandbox) -> None:
    headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
    too_large = gzip.compress(b'{"api_key": "k", "events": [{"event_type": "' + b"x" * 20_000_000 + b'"}]}', 1)
    assert sandbox.http.post(sandbox.url + "/batch", data=too_large, headers=headers).status_code == 413


def test_a_request_takes_two_thousand_events(sandbox: Sandbox) -> None:
    assert post(sandbox, *[event()] * 2000).json()["events_ingested"] == 2000
    assert post(sandbox, *[event()] * 2001).json() == {"code": 413, "error": "Payload too large"}


def test_an_insert_id_is_taken_once(sandbox: Sandbox) -> None:
    first = event(insert_id="same", event_properties={"number": 1})
    assert post(sandbox, first, first).json()["events_ingested"] == 2
    assert post(sandbox, first | {"user_id": "user-other"}, event(insert_id="other")).status_code == 200
    assert [one["insert_id"] for one in sandbox.amplitude_events()] == ["same", "other"]


def test_an_insert_id_is_taken_once_per_device_where_the_settings_say_so(sandbox: Sandbox) -> None:
    sandbox.call("POST", "/amplitude/settings", {"insert_id_scope": "device"})
    first, second, nobodys = (event(insert_id="same", device_id=device) for device in ("device-1", "device-2", None))
    for _ in range(2):
        assert post(sandbox, first, first, second, nobodys).status_code == 200
    assert [one["device_id"] for one in sandbox.amplitude_events()] == ["device-1", "device-2", None]


def test_events_without_insert_id_are_never_the_same(sandbox: Sandbox) -> None:
    post(sandbox, event(), event())
    post(sandbox, event())
    assert len(sandbox.amplitude_events()) == 3


def test_events_change_their_users(sandbox: Sandbox) -> None:
    post(
        sandbox,
        event(user_properties={"plan": "free", "visits": 1}),
        event(user_properties={"$set": {"plan": "gold"}, "$add": {"visits": 2}, "$setOnce": {"plan": "none"}}),
        event(user_properties={"plan": "ignored"}, **{"$skip_user_properties_sync": True}),
        event(user_id=None, device_id="device-7", user_properties={"$append": {"seen": "home"}}),
        {"event_type": "$identify", "user_id": "user-0007", "user_properties": {"$set": {"flag": "on"}}},
    )
    assert [(user["user_id"], user["device_id"], user["user_properties"]) for user in sandbox.amplitude_users()] == [
        ("user-0042", None, {"plan": "gold", "visits": 3}),
        (None, "device-7", {"seen": ["home"]}),
        ("user-0007", None, {"flag": "on"}),
    ]


def test_an_exposure_sets_its_user_property(sandbox: Sandbox) -> None:
    def exposure(flag: str, **properties: Any) -> dict[str, Any]:
        return event(event_type="$exposure", event_properties={"flag_key": flag} | properties)

    post(sandbox, exposure("checkout", variant="on"), exposure("search", variant="v2"), exposure("search"))
    (user,) = sandbox.amplitude_users()
    assert user["user_properties"] == {"[Experiment] checkout": "on"}


def test_updates_above_1800_an_hour_are_dropped_in_silence(sandbox: Sandbox) -> None:
    updates = [event(user_properties={"$add": {"visits": 1}}) for _ in range(1801)]
    assert post(sandbox, *updates, event(user_id="user-0007", user_properties={"plan": "gold"})).status_code == 200
    assert len(sandbox.amplitude_events()) == 1802
    first, second = sandbox.amplitude_users()
    assert first["user_properties"] == {"visits": 1800}
    assert second["user_properties"] == {"plan": "gold"}


def test_long_texts_are_cut_where_they_are_stored(sandbox: Sandbox) -> None:
    post(sandbox, event(user_properties={"text": "x" * 1025}))
    (user,) = sandbox.amplitude_users()
    assert user["user_properties"] == {"text": "x" * 1024}
