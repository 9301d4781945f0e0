"""Order, parallel requests, endpoints, and records that are out of the ordinary."""

from __future__ import annotations

import random
from collections import defaultdict
from datetime import datetime, timedelta
from typing import Any

import pytest

from support.amplitude_target import load
from support.impressions import impression, messages, record_message, schema_message
from support.sandbox import Sandbox
from target_amplitude.target import TargetAmplitude


@pytest.mark.parametrize("workers", [1, 4, 7])
def test_one_users_events_keep_their_order(workers: int, config, sandbox: Sandbox):
    """While requests fail, are cut, and users are throttled."""
    chance = random.Random(workers)
    # Requests that vary in size, since one record in ten is large.
    large = {"text": "x" * 1000}
    records = [
        impression(n, key=f"user-{chance.randrange(300)}", properties=large if n % 10 == 0 else None)
        for n in range(15_000)
    ]
    at_once = {"Retry-After": "0.2"}
    sandbox.plan(
        path="*", kind="status", status=503, probability=0.2, seed=workers, times=4, headers={"Retry-After": "0"}
    )
    sandbox.plan(path="*", kind="lost", probability=0.3, seed=workers, times=2)
    body = {"code": 429, "throttled_users": {"user-7": 1, "user-8": 1}, "throttled_events": []}
    sandbox.plan(path="*", kind="status", status=429, body=body, skip=1, times=2, headers=at_once, when='"user-7"')
    loaded = load(config | {"endpoint": "http", "max_parallel_requests": workers}, messages(records, every=1000))
    assert loaded.error == ""
    assert loaded.state == {"read": 15_000}
    by_user = defaultdict(list)
    for event in sandbox.amplitude_events():
        by_user[event["user_id"]].append(event["insert_id"])
    assert by_user == {
        user: [record["impression_id"] for record in records if record["key"] == user] for user in by_user
    }
    assert sum(map(len, by_user.values())) == 15_000


def test_requests_are_on_their_way_together(config, sandbox: Sandbox):
    """The next one begins before the one before it is answered."""
    sandbox.plan(path="/batch", kind="delay", delay_seconds=0.5, times=3, skip=1)
    loaded = load(config | {"max_parallel_requests": 4}, messages(impression(n) for n in range(8000)))
    assert loaded.error == ""
    first, second = sandbox.requests()[1:3]
    begun = [datetime.fromisoformat(request["time"]) for request in (first, second)]
    assert begun[1] < begun[0] + timedelta(seconds=first["seconds"])
    assert len(sandbox.amplitude_events()) == 8000


@pytest.mark.parametrize(("endpoint", "path", "most"), [("batch", "/batch", 2000), ("http", "/2/httpapi", 1999)])
def test_endpoints(endpoint: str, path: str, most: int, config, sandbox: Sandbox):
    records = [impression(n, key="ada") for n in range(4500)]
    loaded = load(config | {"endpoint": endpoint, "min_id_length": 3, "compression": "gzip"}, messages(records))
    assert loaded.error == ""
    requests = sandbox.requests()
    assert {request["path"] for request in requests} == {path}
    assert [request["items"] for request in requests] == [most, most, 4500 - 2 * most]
    assert {request["headers"]["content-encoding"] for request in requests} == {"gzip"}
    assert sum(request["bytes"] for request in requests) == loaded.counts["bytes_sent"]


@pytest.mark.parametrize(
    ("config", "is_compressing"),
    [
        ({}, True),
        ({"region": "eu"}, True),
        ({"api_url": "https://API2.amplitude.com/"}, True),
        ({"api_url": "http://127.0.0.1:9"}, False),
        ({"api_url": "http://127.0.0.1:9", "compression": "gzip"}, True),
        ({"compression": "none"}, False),
    ],
)
def test_compression(config: dict[str, Any], is_compressing: bool):
    """Amplitude's own hosts accept it; a proxy or gateway may not."""
    target = TargetAmplitude(config={"api_key": "test-api-key", **config})
    assert target.transport.is_compressing is is_compressing
    target.give_up()


@pytest.mark.parametrize(
    ("config", "url"),
    [
        ({}, "https://api2.amplitude.com"),
        ({"region": "eu"}, "https://api.eu.amplitude.com"),
        ({"region": "eu", "api_url": "http://127.0.0.1:9/"}, "http://127.0.0.1:9"),
    ],
)
def test_hosts(config: dict[str, Any], url: str):
    target = TargetAmplitude(config={"api_key": "test-api-key", **config})
    assert target.transport.url == url
    target.give_up()


def test_short_ids_are_rejected_before_they_are_sent(config, sandbox: Sandbox):
    loaded = load(config | {"min_id_length": 5}, messages([impression(0, key="abcd"), impression(1, key="abcde")]))
    assert loaded.reasons["records_rejected", "an id shorter than 5 characters"] == 1
    assert [event["user_id"] for event in sandbox.amplitude_events()] == ["abcde"]


def test_each_odd_record_is_mended_or_rejected_and_the_others_go_on(config, sandbox: Sandbox):
    """Nothing of this is sent to be refused: the sandbox refuses as Amplitude does."""
    deep: Any = "x"
    for _ in range(60):
        deep = {"a": [deep]}
    odd = [
        {"properties": {"text": "x" * 30_000_000}},
        {"properties": {f"p{n}": n for n in range(3000)}},
        {"properties": {"deep": deep}},
        {"properties": {"nan": float("nan"), "inf": [float("-inf")], "big": 2**70, "half": "a\ud83d"}},
        {"properties": {"": "no name", "null": None, "split_name": "own"}},
        {"properties": {"nested": {"deep": {"list": [1, [2, [3]], {"x": "é" * 2000}]}}}},
        {"split": "flag\ud83d", "treatment": "y" * 5000, "label": ""},
        {"key": "x" * 1025},
        {"key": " Null "},
        {"key": None},
        {"key": ""},
        {"key": "lone \ud83d"},
        {"time": "0001-01-01T00:00:00Z"},
        {"time": "not a time"},
        {"time": None},
    ]
    records = [impression(n, **odd[n // 2] if n % 2 else {}) for n in range(2 * len(odd))]
    loaded = load(config, messages(records))
    assert loaded.error == ""
    assert loaded.state == {"read": len(records)}
    assert {request["status"] for request in sandbox.requests()} == {200}
    events = {
        int(event["insert_id"], 16) // 2: event
        for event in sandbox.amplitude_events()
        if int(event["insert_id"], 16) % 2
    }
    assert sorted(events) == [0, 1, 2, 3, 4, 5, 6]
    assert len(sandbox.amplitude_events()) == len(odd) + 7
    assert events[0]["event_properties"]["text"] == "x" * 1024
    assert len(events[1]["event_properties"]) == 1024
    assert "nan" not in events[3]["event_properties"]
    assert events[3]["event_properties"]["inf"] == [None]
    assert events[3]["event_properties"]["big"] == str(2**70)
    assert events[3]["event_properties"]["half"] == "a\ufffd"
    assert events[4]["event_properties"]["split_name"] == "own"
    assert events[6]["event_properties"]["split_name"] == "flag\ufffd"
    assert {reason: count for (metric, reason), count in loaded.reasons.items() if metric == "records_truncated"} == {
        "text over 1,024 characters": 3,
        "more than 1,024 properties": 1,
        "object nested over 40 levels": 1,
        "integer beyond 64 bits": 1,
        "property without a name": 1,
    }
    assert loaded.reasons["records_skipped", "no key"] == 2
    assert {reason: count for (metric, reason), count in loaded.reasons.items() if metric == "records_rejected"} == {
        "an id over 1,024 characters": 1,
        "an id that Amplitude forbids": 1,
        "an id that is not valid Unicode": 1,
        "a time before 1970 or after 9999": 1,
        "a time that cannot be read": 1,
        "no time": 1,
    }


def test_as_user_properties_too(config, sandbox: Sandbox):
    records = [
        impression(0, split="flag\ud83d", treatment="x" * 2000),
        impression(1, split="$set"),
        impression(2, treatment=None),
        impression(3, split=None),
    ]
    loaded = load(config | {"load_as": "identify"}, messages(records))
    assert loaded.error == ""
    users = {user["user_id"]: user["user_properties"] for user in sandbox.amplitude_users()}
    assert users == {"user-000000": {"flag\ufffd": "x" * 1024}, "user-000001": {"set": "on"}}
    assert loaded.counts["records_skipped"] == loaded.counts["records_rejected"] == 1


def test_an_event_larger_than_a_request(config, sandbox: Sandbox):
    properties = {f"p{n}": {f"q{m}": "x" * 1024 for m in range(2)} for n in range(1000)}
    loaded = load(
        config | {"endpoint": "http"}, messages([impression(0), impression(1, properties=properties), impression(2)])
    )
    assert loaded.error == ""
    assert loaded.reasons["records_rejected", "larger than a request may be (999,999 bytes)"] == 1
    assert len(sandbox.amplitude_events()) == 2


def test_as_many_flags_as_a_project_can_hold(config, sandbox: Sandbox):
    records = [impression(n, split=f"flag-{n}") for n in range(1600)]
    loaded = load(config | {"load_as": "exposure"}, messages(records))
    assert sum("1500 flags" in line for line in loaded.warnings) == 1
    assert load(config | {"load_as": "exposure"}, messages(records[:1499])).warnings == []


def test_experiment_keys_from_the_impression(config, sandbox: Sandbox):
    settings = config | {"load_as": "exposure", "experiment_key": {"field": "split_version_number"}}
    load(settings, messages([impression(0), impression(1, split_version_number=None)]))
    keys = [event["event_properties"].get("experiment_key") for event in sandbox.amplitude_events()]
    assert set(keys) == {"1767000000456", None}


def test_properties_of_impressions_by_mapping(config, sandbox: Sandbox):
    mapping = {
        "event_type": {"field": "sdk"},
        "event_properties": {
            "include": ["split_name", "treatment", "machine_*", "plan", "e*"],
            "exclude": ["environment_id", "email"],
            "rename": {"split_name": "flag", "plan": "tier"},
        },
        "platform": {"value": "Web"},
        "filter": {"environment_name": ["Prod*"]},
    }
    own = {"plan": "gold", "email": "x@example.com", "other": 1}
    records = [impression(0, properties=own), impression(1, environment_name="Staging")]
    loaded = load(config | {"mappings": {"imp*": mapping}}, messages(records))
    assert loaded.reasons["records_skipped", "filter"] == 1
    (event,) = sandbox.amplitude_events()
    assert (event["event_type"], event["platform"]) == ("python", "Web")
    assert event["event_properties"] == {
        "flag": "checkout_redesign",
        "treatment": "on",
        "machine_name": "ip-10-2-4-19",
        "machine_ip": "10.2.4.19",
        "environment_name": "Production",
        "tier": "gold",
    }


def test_one_stream_each_way_in_one_run(config, sandbox: Sandbox):
    mappings = {"seen": {"load_as": "exposure"}, "known": {"load_as": "identify"}}
    lines = []
    for stream in ("impressions", "seen", "known"):
        lines += [schema_message(stream), record_message(impression(0), stream)]
    loaded = load(config | {"mappings": mappings}, lines)
    assert loaded.error == ""
    assert {event["event_type"] for event in sandbox.amplitude_events()} == {"get_treatment", "$exposure", "$identify"}


def test_a_mapping_that_fits_no_stream_is_said(config, sandbox: Sandbox):
    loaded = load(config | {"mappings": {"impresions": {}}}, messages([impression(0)]))
    assert any("'mappings.impresions'" in line and "'impressions'" in line for line in loaded.warnings)


def test_a_stream_of_no_known_kind(config, sandbox: Sandbox):
    schema = {"type": "SCHEMA", "stream": "orders", "schema": {"properties": {"id": {}}}, "key_properties": ["id"]}
    loaded = load(config, [*messages([impression(0)]), schema])
    assert "Stream 'orders'" in loaded.error
    assert "mappings" in loaded.error
