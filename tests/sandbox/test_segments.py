"""Standard segments: https://developer.harness.io/docs/feature-management-experimentation/api/segments."""

from __future__ import annotations

import json
from typing import Any

import pytest
import requests

from support.sandbox import Sandbox

HEADERS = {"Authorization": "Bearer test-admin-key"}
ERROR_MEMBERS = {"code", "message", "details", "transactionId"}


def call(sandbox: Sandbox, method: str, path: str, body: Any = None, **options: Any) -> requests.Response:
    url = f"{sandbox.url}/internal/api/v2/segments{path}"
    return sandbox.http.request(method, url, json=body, headers=HEADERS, **options)


def create(sandbox: Sandbox, name: str = "power_users", traffic_type: str = "user") -> requests.Response:
    body = {"name": name, "description": "from Amplitude"}
    return call(sandbox, "POST", f"/ws/ws-demo/trafficTypes/{traffic_type}", body)


@pytest.fixture
def segment(sandbox: Sandbox) -> str:
    """The path of an active, empty segment."""
    create(sandbox)
    call(sandbox, "POST", "/env-prod/power_users", {})
    return "/env-prod/power_users"


def keys(sandbox: Sandbox) -> list[str]:
    (segment,) = sandbox.split_segments()
    return segment["keys"]


def test_a_segment_from_creation_to_deletion(sandbox: Sandbox) -> None:
    made = create(sandbox, traffic_type="tt-user")
    assert made.status_code == 200
    assert made.json()["trafficType"] == {"id": "tt-user", "name": "user"}
    assert call(sandbox, "GET", "/ws/ws-demo").json()["objects"] == [made.json()]
    assert call(sandbox, "GET", "/ws/ws-demo/power_users").json() == made.json()
    assert call(sandbox, "GET", "/ws/ws-demo/environments/env-prod").json()["totalCount"] == 0
    assert call(sandbox, "GET", "/env-prod/power_users/keys").status_code == 404
    assert sandbox.split_segments()[0]["environment_id"] is None

    active = call(sandbox, "POST", "/env-prod/power_users").json()
    assert active["environment"] == {"id": "env-prod", "name": "Production"}
    (listed,) = call(sandbox, "GET", "/ws/ws-demo/environments/env-prod").json()["objects"]
    assert listed["environment"] == active["environment"]

    described = call(sandbox, "PUT", "/env-prod/power_users/uploadKeys", {"keys": ["b", "a"]}).json()
    assert described["environmentURN"] == {"type": "Environment", "id": "env-prod", "name": "Production"}
    assert described["trafficTypeURN"] == {"type": "TRAFFIC_TYPE", "id": "tt-user", "name": "user"}
    assert described["keys"] is None
    assert sandbox.split_segments() == [
        {
            "workspace_id": "ws-demo",
            "name": "power_users",
            "description": "from Amplitude",
            "traffic_type": "user",
            "environment_id": "env-prod",
            "environment_name": "Production",
            "keys": ["a", "b"],
        }
    ]

    assert call(sandbox, "DELETE", "/env-prod/power_users").status_code == 400
    removed = call(sandbox, "PUT", "/env-prod/power_users/removeKeys", {"keys": ["a", "b", "c"]})
    assert removed.json() == {"code": 200, "message": "Deleted 2 keys", "details": None, "transactionId": None}
    assert call(sandbox, "DELETE", "/env-prod/power_users").json() is True
    assert call(sandbox, "DELETE", "/ws/ws-demo/power_users").json() is True
    assert call(sandbox, "DELETE", "/ws/ws-demo/power_users").status_code == 404
    assert sandbox.split_segments() == []


def test_keys_are_paged_and_counted(sandbox: Sandbox, segment: str) -> None:
    uploaded = [f"key-{number:03}" for number in range(250)]
    call(sandbox, "PUT", f"{segment}/uploadKeys", {"keys": uploaded})
    found: list[str] = []
    while len(found) < 250:
        page = call(sandbox, "GET", f"{segment}/keys", params={"offset": len(found), "limit": 500}).json()
        assert (page["count"], page["limit"], page["offset"]) == (250, 100, len(found))
        assert page["openChangeRequestId"] is None
        found += [one["key"] for one in page["keys"]]
    assert found == uploaded
    assert len(call(sandbox, "GET", f"{segment}/keys").json()["keys"]) == 100


def test_keys_are_added_or_replaced(sandbox: Sandbox, segment: str) -> None:
    call(sandbox, "PUT", f"{segment}/uploadKeys", {"keys": ["a", "b"]})
    call(sandbox, "PUT", f"{segment}/uploadKeys?replace=false", {"keys": ["b", "c"]})
    assert keys(sandbox) == ["a", "b", "c"]
    call(sandbox, "PUT", f"{segment}/uploadKeys?replace=true", {"keys": ["d"]})
    assert keys(sandbox) == ["d"]


def test_the_other_ways_to_add_and_remove(sandbox: Sandbox, segment: str) -> None:
    assert call(sandbox, "PUT", f"{segment}/upload?replace=false", ["a", "b"]).status_code == 200
    files = {"file": ("keys.csv", 'c\n"d, e"\n'), "payload": (None, json.dumps({"comment": "from a file"}))}
    assert call(sandbox, "PUT", f"{segment}/upload", files=files).status_code == 200
    assert keys(sandbox) == ["a", "b", "c", "d, e"]
    assert call(sandbox, "PUT", f"{segment}/deleteKeys", ["a", "c"]).status_code == 200
    assert keys(sandbox) == ["b", "d, e"]


def test_a_call_takes_ten_thousand_keys_and_a_segment_a_hundred_thousand(sandbox: Sandbox, segment: str) -> None:
    def upload(start: int, count: int) -> int:
        body = {"keys": [f"key-{number}" for number in range(start, start + count)]}
        return call(sandbox, "PUT", f"{segment}/uploadKeys", body).status_code

    assert upload(0, 10_001) == 400
    assert keys(sandbox) == []
    assert [upload(start, 10_000) for start in range(0, 100_000, 10_000)] == [200] * 10
    assert upload(100_000, 1) == 400
    assert call(sandbox, "GET", f"{segment}/keys").json()["count"] == 100_000
    assert upload(0, 10_000) == 200
    assert len(keys(sandbox)) == 100_000


@pytest.mark.parametrize("name", ["1st", "", "_a", "ä", "a b", "datetime", "string", "integer", "x" * 101])
def test_a_bad_name_is_refused(sandbox: Sandbox, name: str) -> None:
    answer = create(sandbox, name)
    assert answer.status_code == 400
    assert set(answer.json()) == ERROR_MEMBERS


def test_what_exists_is_a_conflict(sandbox: Sandbox, segment: str) -> None:
    assert create(sandbox).status_code == 409
    assert call(sandbox, "POST", segment).status_code == 409
    assert create(sandbox, "Power_users").status_code == 200


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/ws/none/trafficTypes/user"),
        ("POST", "/ws/ws-demo/trafficTypes/none"),
        ("GET", "/ws/ws-demo/none"),
        ("GET", "/ws/ws-demo/environments/none"),
        ("POST", "/none/power_users"),
        ("POST", "/env-prod/none"),
        ("GET", "/env-staging/power_users/keys"),
        ("PUT", "/env-staging/power_users/uploadKeys"),
        ("PUT", "/Production/power_users/uploadKeys"),
        ("PUT", "/env-staging/power_users/removeKeys"),
        ("DELETE", "/env-staging/power_users"),
    ],
)
def test_unknown_things_are_not_found(sandbox: Sandbox, segment: str, method: str, path: str) -> None:
    answer = call(sandbox, method, path, {"name": "new", "keys": ["a"]})
    assert answer.status_code == 404
    assert set(answer.json()) == ERROR_MEMBERS


@pytest.mark.parametrize("body", [None, {}, {"keys": []}, {"keys": [""]}, {"keys": [None]}, {"keys": "a"}])
def test_an_upload_without_keys_is_refused(sandbox: Sandbox, segment: str, body: Any) -> None:
    assert call(sandbox, "PUT", f"{segment}/uploadKeys", body).status_code == 400


def test_a_workspace_can_demand_reasons(sandbox: Sandbox, segment: str) -> None:
    demanding = {"id": "ws-demo", "name": "Demo", "requiresTitleAndComments": True}
    sandbox.call("POST", "/split/workspaces", [demanding])
    for call_name in ("uploadKeys", "removeKeys"):
        answer = call(sandbox, "PUT", f"{segment}/{call_name}", {"keys": ["a"], "title": "sync"})
        assert answer.status_code == 400
        assert answer.json()["message"] == "Comment/title combination invalid for workspace"
    reasons = {"keys": ["a"], "title": "sync", "comment": "cohort"}
    assert call(sandbox, "PUT", f"{segment}/uploadKeys", reasons).status_code == 200


def test_segments_can_be_planted(sandbox: Sandbox) -> None:
    planted = {"name": "accounts", "traffic_type": "account", "environment_id": "env-dev", "keys": ["a", "b"]}
    sandbox.call("POST", "/split/segments", [planted, {"name": "unused"}])
    assert [
        (one["name"], one["traffic_type"], one["environment_name"], one["keys"]) for one in sandbox.split_segments()
    ] == [("accounts", "account", "Development", ["a", "b"]), ("unused", "user", None, [])]
