"""Impressions reach Amplitude in each of the three ways."""

from __future__ import annotations

import pytest

from support.impressions import impression, messages
from support.processes import Workplace
from support.sandbox import Sandbox


@pytest.fixture
def config(sandbox: Sandbox, workplace: Workplace) -> dict[str, object]:
    return {
        "api_key": "test-api-key",
        "api_url": sandbox.url,
        "rejects_path": str(workplace.folder / "rejects.jsonl"),
        "retry_timeout_seconds": 20,
    }


def test_as_events(config, workplace: Workplace, sandbox: Sandbox):
    records = [impression(n, properties={"plan": "gold", "label": "own"} if n == 2 else None) for n in range(5)]
    result = workplace.run("target-amplitude", config, messages=messages(records))
    assert result.code == 0, result.stderr
    assert result.state == {"read": 5}
    events = sorted(sandbox.amplitude_events(), key=lambda event: event["time"])
    assert [event["insert_id"] for event in events] == [f"{n:032x}" for n in range(5)]
    assert {name: events[0][name] for name in ("user_id", "event_type", "time", "event_properties")} == {
        "user_id": "user-000000",
        "event_type": "get_treatment",
        "time": 1773446400000,
        "event_properties": {
            "split_name": "checkout_redesign",
            "treatment": "on",
            "label": "default rule",
            "traffic_type": "user",
            "environment_name": "Production",
            "environment_id": "env-prod",
            "split_version_number": 1767000000456,
            "sdk": "python",
            "sdk_version": "10.7.0",
        },
    }
    assert events[2]["event_properties"]["label"] == "own"
    assert events[2]["event_properties"]["plan"] == "gold"
    assert result.metrics["records_sent"] == 5


def test_as_exposures(config, workplace: Workplace, sandbox: Sandbox):
    treatments = ["on", "off", "control", "", None]
    records = [impression(n, treatment=treatment) for n, treatment in enumerate(treatments)]
    result = workplace.run(
        "target-amplitude",
        config | {"load_as": "exposure", "experiment_key": "round-2"},
        messages=messages(records),
    )
    assert result.code == 0, result.stderr
    events = sorted(sandbox.amplitude_events(), key=lambda event: event["time"])
    assert [event["event_type"] for event in events] == ["$exposure"] * 2
    assert events[0]["event_properties"] == {
        "flag_key": "checkout_redesign",
        "variant": "on",
        "experiment_key": "round-2",
    }
    assert result.metrics["records_skipped"] == 3
    users = {user["user_id"]: user["user_properties"] for user in sandbox.amplitude_users()}
    assert users["user-000001"] == {"[Experiment] checkout_redesign": "off"}


@pytest.mark.parametrize("via", ["api", "events"])
def test_as_user_properties(via: str, config, workplace: Workplace, sandbox: Sandbox):
    """2,000 users with 10 flags each: one identification a user, in at most four requests."""
    records = [
        impression(n, key=f"user-{n % 2000}", split=f"flag_{n // 2000}", treatment=f"t{n % 3}") for n in range(20_000)
    ]
    result = workplace.run(
        "target-amplitude",
        config | {"load_as": "identify", "identify_via": via, "property_prefix": "split "},
        messages=messages(records),
    )
    assert result.code == 0, result.stderr
    requests = sandbox.requests()
    assert {request["path"] for request in requests} == {"/identify" if via == "api" else "/batch"}
    assert len(requests) <= 4
    assert sum(request["items"] for request in requests) == 2000
    users = {user["user_id"]: user["user_properties"] for user in sandbox.amplitude_users()}
    assert len(users) == 2000
    assert users["user-7"] == {f"split flag_{flag}": f"t{(flag * 2000 + 7) % 3}" for flag in range(10)}
    assert result.metrics["records_deduplicated"] == 18_000


def test_the_same_input_twice_leaves_one_copy(config, workplace: Workplace, sandbox: Sandbox):
    records = [impression(n) for n in range(3000)]
    for _ in range(2):
        assert workplace.run("target-amplitude", config, messages=messages(records)).code == 0
    assert len(sandbox.amplitude_events()) == 3000


def test_traffic_types_become_users_or_devices(config, workplace: Workplace, sandbox: Sandbox):
    records = [impression(0), impression(1, traffic_type="account"), impression(2, traffic_type="anonymous-web")]
    identity = {"*": "user_id", "account": "device_id", "anonymous*": "device_id"}
    result = workplace.run("target-amplitude", config | {"identity": identity}, messages=messages(records))
    assert result.code == 0, result.stderr
    by_time = sorted(sandbox.amplitude_events(), key=lambda event: event["time"])
    assert [event.get("user_id") for event in by_time] == ["user-000000", None, "user-000002"]
    assert by_time[1]["device_id"] == "user-000001"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"api_key": None}, "api_key"),
        ({"region": "mars"}, "region"),
        ({"load_as": "carrier pigeon"}, "load_as"),
        ({"api_url": "http://127.0.0.1/batch"}, "api_url"),
        ({"api_url": "http://127.0.0.1:port"}, "api_url"),
        ({"api_url": "http://[::1"}, "api_url"),
        ({"identity": {"user": "email"}}, "identity.user"),
        ({"max_parallel_requests": 0}, "max_parallel_requests"),
        ({"event_type": "[Amplitude] Revenue"}, "event_type"),
        ({"mappings": {"orders": {"evnt_type": "x"}}}, "event_type"),
    ],
)
def test_wrong_settings_are_one_sentence(change, said, config, workplace: Workplace):
    changed = {name: value for name, value in (config | change).items() if value is not None}
    result = workplace.run("target-amplitude", changed, messages=[])
    assert result.code == 1
    assert said in result.stderr
    assert "Traceback" not in result.stderr
