"""Harness FME API v4: segments, definitions, keys, approvals; and the same things through v2."""

from __future__ import annotations

from typing import Any

import pytest
import requests

from support.harness import TOKEN, call
from support.sandbox import Sandbox

V2 = {"Authorization": "Bearer test-admin-key"}
DEFINITION = "/segment-definitions/power_users"
KEYS = f"{DEFINITION}/keys"
NEW = {"name": "power_users", "trafficType": "user", "segmentType": "STANDARD", "description": "from Amplitude"}


def on(sandbox: Sandbox, method: str, path: str, body: Any = None, **query: Any) -> requests.Response:
    """A call about the environment `env-prod`."""
    return call(sandbox, method, path, body, environment_id="env-prod", **query)


def v2(sandbox: Sandbox, method: str, path: str, body: Any = None, **options: Any) -> requests.Response:
    url = f"{sandbox.url}/internal/api/v2{path}"
    return sandbox.http.request(method, url, json=body, headers=V2 | options.pop("headers", {}), **options)


@pytest.fixture
def segment(sandbox: Sandbox) -> None:
    """An active, empty segment."""
    assert call(sandbox, "POST", "/segments", NEW).status_code == 200
    assert on(sandbox, "POST", DEFINITION, {}).status_code == 200


def keys(sandbox: Sandbox) -> list[str]:
    (segment,) = sandbox.split_segments()
    return segment["keys"]


def require_approvals(sandbox: Sandbox, **members: Any) -> None:
    sandbox.call("POST", "/split/environments", [{"id": "env-prod", "approvals_required": True, **members}])


def test_a_segment_from_creation_to_deletion(sandbox: Sandbox) -> None:
    made = call(sandbox, "POST", "/segments", NEW | {"tags": [{"name": "amp"}]}).json()
    assert set(made) == {"entity", "governance"}
    assert made["governance"] is None
    segment = made["entity"]
    assert segment["trafficType"] == {"name": "user"}
    assert isinstance(segment["createdAt"], float)
    assert [tag["name"] for tag in segment["tags"]] == ["amp"]
    assert call(sandbox, "GET", "/segments", segment_type="STANDARD").json() == {
        "data": [segment],
        "limit": 100,
        "offset": 0,
        "totalCount": 1,
    }
    assert call(sandbox, "GET", "/segments/power_users", segment_type="STANDARD").json() == segment

    definition = on(sandbox, "POST", DEFINITION, {"description": "all of them"}).json()["entity"]
    assert definition["environment"] == {"name": "Production"}
    assert on(sandbox, "GET", "/segment-definitions").json()["data"] == [definition]
    assert on(sandbox, "GET", DEFINITION).json() == definition
    assert on(sandbox, "POST", DEFINITION, {}).status_code == 409

    assert on(sandbox, "POST", KEYS, {"keys": ["b", "a"], "title": "sync", "comment": "cohort"}).status_code == 200
    assert on(sandbox, "GET", KEYS).json()["data"] == [{"key": "a"}, {"key": "b"}]
    for path, query in (
        (DEFINITION, {"environment_id": "env-prod"}),
        ("/segments/power_users", {"segment_type": "STANDARD"}),
    ):
        answer = call(sandbox, "DELETE", path, **query)
        assert (answer.status_code, answer.json()["message"]) == (400, "hasDependents")
    assert on(sandbox, "POST", f"{KEYS}/remove", {"keys": ["a", "b", "c"]}).status_code == 200
    assert on(sandbox, "DELETE", DEFINITION).json() == {"governance": None}
    assert call(sandbox, "DELETE", "/segments/power_users", segment_type="STANDARD").status_code == 200
    assert sandbox.split_segments() == []


def test_what_one_api_writes_the_other_reads(sandbox: Sandbox, segment: None) -> None:
    on(sandbox, "POST", KEYS, {"keys": ["a", "b"]})
    page = v2(sandbox, "GET", "/segments/env-prod/power_users/keys").json()
    assert page["keys"] == [{"key": "a"}, {"key": "b"}]
    v2(sandbox, "PUT", "/segments/env-prod/power_users/uploadKeys?replace=true", {"keys": ["c"]})
    assert on(sandbox, "GET", KEYS).json()["data"] == [{"key": "c"}]
    v2(sandbox, "POST", "/segments/ws/ws-demo/trafficTypes/account", {"name": "made_by_v2"})
    listed = call(sandbox, "GET", "/segments", segment_type="STANDARD").json()["data"]
    assert {one["name"]: one["trafficType"]["name"] for one in listed} == {
        "power_users": "user",
        "made_by_v2": "account",
    }
    assert [one["name"] for one in v2(sandbox, "GET", "/segments/ws/ws-demo").json()["objects"]] == [
        "power_users",
        "made_by_v2",
    ]


def test_replace_is_a_query_parameter(sandbox: Sandbox, segment: None) -> None:
    on(sandbox, "POST", KEYS, {"keys": ["a", "b"]})
    assert on(sandbox, "POST", KEYS, {"keys": ["c"], "replace": True}).status_code == 400
    on(sandbox, "POST", KEYS, {"keys": ["c"]})
    assert keys(sandbox) == ["a", "b", "c"]
    on(sandbox, "POST", KEYS, {"keys": ["d"]}, replace="true")
    assert keys(sandbox) == ["d"]
    on(sandbox, "POST", KEYS, {"keys": []}, replace="true")
    assert keys(sandbox) == []


@pytest.mark.parametrize("path", [KEYS, f"{KEYS}/remove"])
@pytest.mark.parametrize("body", [None, {}, {"keys": []}, {"keys": [""]}, {"keys": [1]}, {"keys": "a"}])
def test_keys_that_cannot_be_written_are_refused(sandbox: Sandbox, segment: None, path: str, body: Any) -> None:
    assert on(sandbox, "POST", path, body).status_code == 400


def test_a_call_takes_ten_thousand_keys_and_a_segment_a_hundred_thousand(sandbox: Sandbox, segment: None) -> None:
    def add(start: int, count: int, **query: Any) -> int:
        body = {"keys": [f"key-{number}" for number in range(start, start + count)]}
        return on(sandbox, "POST", KEYS, body, **query).status_code

    assert add(0, 10_001) == 400
    assert add(0, 10_001, replace="true") == 400
    assert [add(start, 10_000) for start in range(0, 100_000, 10_000)] == [200] * 10
    assert add(100_000, 1) == 400
    page = on(sandbox, "GET", KEYS, offset=99_950, limit=500).json()
    assert (page["totalCount"], page["limit"], len(page["data"])) == (100_000, 100, 50)


@pytest.mark.parametrize("member", ["data", "keys", "objects"])
@pytest.mark.parametrize(("keys_as", "shown"), [("objects", [{"key": "a"}]), ("texts", ["a"])])
def test_keys_are_shown_in_each_shape(
    sandbox: Sandbox, segment: None, member: str, keys_as: str, shown: list[Any]
) -> None:
    on(sandbox, "POST", KEYS, {"keys": ["a"]})
    sandbox.call("POST", "/split/settings", {"keys_as": keys_as, "keys_member": member})
    assert on(sandbox, "GET", KEYS).json()[member] == shown


def test_an_activation_is_not_seen_at_once(sandbox: Sandbox) -> None:
    sandbox.call("POST", "/split/settings", {"activation_404s": 2})
    call(sandbox, "POST", "/segments", NEW)
    assert on(sandbox, "POST", DEFINITION, {}).status_code == 200
    assert on(sandbox, "GET", "/segment-definitions").json()["data"] == []
    assert [on(sandbox, "GET", KEYS).status_code for _ in range(3)] == [404, 404, 200]
    v2(sandbox, "POST", "/segments/env-dev/power_users")
    path = "/segments/env-dev/power_users/keys"
    assert [v2(sandbox, "GET", path).status_code for _ in range(3)] == [404, 404, 200]


@pytest.mark.parametrize(
    ("member", "message"),
    [
        ("name", "Field 'name' is required"),
        ("segmentType", "Field 'segmentType' is required"),
        ("trafficType", "Field 'trafficType' is required"),
    ],
)
def test_a_creation_needs_its_members(sandbox: Sandbox, member: str, message: str) -> None:
    answer = call(sandbox, "POST", "/segments", {name: value for name, value in NEW.items() if name != member})
    assert (answer.status_code, answer.json()["message"]) == (400, message)


@pytest.mark.parametrize(
    ("members", "status"),
    [
        ({"segmentType": "standard"}, 400),
        ({"type": "STANDARD"}, 400),
        ({"name": "1st"}, 400),
        ({"trafficType": "none"}, 404),
    ],
)
def test_a_bad_creation_is_refused(sandbox: Sandbox, members: dict[str, Any], status: int) -> None:
    assert call(sandbox, "POST", "/segments", NEW | members).status_code == status
    assert sandbox.split_segments() == []


def test_a_body_that_is_not_json_is_refused(sandbox: Sandbox) -> None:
    call(sandbox, "POST", "/segments", NEW)
    answer = on(sandbox, "POST", DEFINITION)
    assert (answer.status_code, answer.json()["message"]) == (400, "Invalid json structure")


def test_segment_type_is_mandatory(sandbox: Sandbox) -> None:
    for path in ("/segments", "/segments/power_users"):
        answer = call(sandbox, "GET", path)
        assert (answer.status_code, answer.json()["message"]) == (400, "segment_type is required")
        assert call(sandbox, "GET", path, segment_type="standard").status_code == 400


def test_a_definition_needs_an_environment_id(sandbox: Sandbox, segment: None) -> None:
    for path in ("/segment-definitions", DEFINITION, KEYS):
        answer = call(sandbox, "GET", path)
        assert (answer.status_code, answer.json()["message"]) == (400, "environment_id is required")
        assert call(sandbox, "GET", path, environment_id="Production").status_code == 404


def test_other_types_are_listed_but_have_no_keys(sandbox: Sandbox) -> None:
    sandbox.call(
        "POST",
        "/split/segments",
        [
            {"name": "power_users", "segment_type": "LARGE", "environment_id": "env-prod"},
            {"name": "ruled", "segment_type": "RULE_BASED"},
            {"name": "gone", "status": "ARCHIVED"},
        ],
    )

    def names(**query: Any) -> list[str]:
        return [one["name"] for one in call(sandbox, "GET", "/segments", **query).json()["data"]]

    assert names(segment_type="LARGE") == ["power_users"]
    assert names(segment_type="RULE_BASED") == ["ruled"]
    assert names(segment_type="STANDARD") == ["gone"]
    assert names(segment_type="STANDARD", status="ACTIVE") == []
    assert call(sandbox, "GET", "/segments/power_users", segment_type="STANDARD").status_code == 404
    assert call(sandbox, "POST", "/segments", NEW).status_code == 409
    assert on(sandbox, "POST", KEYS, {"keys": ["a"]}).status_code == 404
    assert on(sandbox, "GET", "/segment-definitions").json()["data"] == []
    assert [one["name"] for one in v2(sandbox, "GET", "/large-segments/ws/ws-demo").json()["objects"]] == [
        "power_users"
    ]
    assert [one["name"] for one in v2(sandbox, "GET", "/rule-based-segments/ws/ws-demo").json()["objects"]] == ["ruled"]
    assert v2(sandbox, "PUT", "/segments/env-prod/power_users/uploadKeys", {"keys": ["a"]}).status_code == 404


def test_a_change_is_a_merge_patch(sandbox: Sandbox, segment: None) -> None:
    path, query = "/segments/power_users", {"segment_type": "STANDARD"}
    changed = call(sandbox, "PATCH", path, {"tags": [{"name": "amp"}]}, **query).json()["entity"]
    assert (changed["description"], [tag["name"] for tag in changed["tags"]]) == ("from Amplitude", ["amp"])
    changed = call(sandbox, "PATCH", path, {"description": None, "tags": []}, **query).json()["entity"]
    assert (changed["description"], changed["tags"]) == (None, [])
    assert call(sandbox, "PATCH", path, changed, **query).status_code == 400
    assert (
        on(sandbox, "PATCH", DEFINITION, {"description": "new", "comment": "why"}).json()["entity"]["description"]
        == "new"
    )
    assert on(sandbox, "GET", DEFINITION).json()["description"] == "new"


def test_a_workspace_can_demand_reasons(sandbox: Sandbox, segment: None) -> None:
    sandbox.call("POST", "/split/workspaces", [{"id": "ws-demo", "requiresTitleAndComments": True}])
    assert on(sandbox, "POST", KEYS, {"keys": ["a"], "title": "sync"}).status_code == 400
    assert on(sandbox, "POST", KEYS, {"keys": ["a"], "title": "sync", "comment": "cohort"}).status_code == 200


def test_approvals_refuse_a_direct_write(sandbox: Sandbox, segment: None) -> None:
    require_approvals(sandbox)
    refused = v2(sandbox, "PUT", "/segments/env-prod/power_users/uploadKeys", {"keys": ["a"]})
    assert refused.status_code == 403
    assert refused.json()["message"].startswith("Approvals are required. orgId=")
    refused = on(sandbox, "POST", KEYS, {"keys": ["a"]})
    assert refused.status_code == 409
    sandbox.call("POST", "/split/settings", {"v4_approvals": "forbidden"})
    refused = on(sandbox, "POST", KEYS, {"keys": ["a"]})
    assert (refused.status_code, refused.json()["message"][:23]) == (403, "Approvals are required.")
    assert keys(sandbox) == []


def test_a_write_that_becomes_a_pending_approval(sandbox: Sandbox, segment: None) -> None:
    require_approvals(sandbox)
    sandbox.call("POST", "/split/settings", {"v4_approvals": "pending"})
    answer = on(sandbox, "POST", KEYS, {"keys": ["a"], "title": "sync"})
    assert answer.status_code == 200
    governance = answer.json()["governance"]
    assert governance["status"] == "pending"
    assert keys(sandbox) == []
    (listed,) = call(sandbox, "GET", "/change-requests", resource_type="SEGMENT", environment_id="env-prod").json()[
        "data"
    ]
    assert (listed["id"], listed["title"], listed["status"]) == (governance["changeRequestId"], "sync", "REQUESTED")
    assert listed["resourceName"] == "power_users"
    assert len(call(sandbox, "GET", "/change-requests", filter="SUBMISSIONS").json()["data"]) == 1
    assert call(sandbox, "GET", "/change-requests", filter="APPROVALS").json()["data"] == []


def test_a_token_can_skip_approvals(sandbox: Sandbox, segment: None) -> None:
    require_approvals(sandbox, approval_skippable_by=[TOKEN])
    assert on(sandbox, "POST", KEYS, {"keys": ["a"]}).status_code == 200
    assert v2(sandbox, "PUT", "/segments/env-prod/power_users/uploadKeys", {"keys": ["b"]}).status_code == 403
    assert keys(sandbox) == ["a"]


def test_a_change_request_is_applied_when_somebody_else_approves(sandbox: Sandbox, segment: None) -> None:
    require_approvals(sandbox)
    body = {
        "segment": {"name": "power_users", "keys": ["a", "b"]},
        "operationType": "CREATE",
        "title": "sync",
        "comment": "cohort",
        "approvers": [],
    }
    path = "/changeRequests/ws/ws-demo/environments/env-prod"
    made = v2(sandbox, "POST", path, body).json()
    assert made["status"] == "REQUESTED"
    assert v2(sandbox, "POST", path, body).status_code == 409
    page = v2(sandbox, "GET", "/segments/env-prod/power_users/keys").json()
    assert (page["keys"], page["openChangeRequestId"]) == ([], made["id"])
    assert v2(sandbox, "GET", "/changeRequests?status=REQUESTED").json()["count"] == 1
    approval = f"/changeRequests/{made['id']}"
    assert v2(sandbox, "PUT", approval, {"status": "APPROVED"}).status_code == 403
    other = {"Authorization": "Bearer test-other-key"}
    assert v2(sandbox, "PUT", approval, {"status": "APPROVED"}, headers=other).json()["status"] == "PUBLISHED"
    assert keys(sandbox) == ["a", "b"]
    assert v2(sandbox, "PUT", approval, {"status": "WITHDRAWN"}).status_code == 400
    removal = body | {"segment": {"name": "power_users", "keys": ["a"]}, "operationType": "ARCHIVE"}
    made = v2(sandbox, "POST", path, removal).json()
    v2(sandbox, "PUT", f"/changeRequests/{made['id']}", {"status": "REJECTED"}, headers=other)
    assert keys(sandbox) == ["a", "b"]
    assert [one["status"] for one in sandbox.call("GET", "/split/change-requests")] == ["PUBLISHED", "REJECTED"]
