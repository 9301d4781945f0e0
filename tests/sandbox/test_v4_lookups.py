"""Harness FME API v4: scope, tokens, lists, lookups."""

from __future__ import annotations

import time
from typing import Any

import pytest

from support.harness import SCOPE, TOKEN, call
from support.sandbox import Sandbox

SDK = {"Authorization": "Bearer test-sdk-key"}
LISTS = ("/environments", "/traffic-types", "/rollout-statuses", "/feature-flags", "/event-types", "/change-requests")


def post_event(sandbox: Sandbox, name: str, traffic_type: str = "user", days_ago: float = 0) -> None:
    timestamp = int((time.time() - days_ago * 86_400) * 1000)
    event = {"eventTypeId": name, "trafficTypeName": traffic_type, "key": "key", "timestamp": timestamp}
    assert sandbox.http.post(sandbox.url + "/api/events", json=event, headers=SDK).status_code == 202


def test_it_shows_the_workspace_of_v2(sandbox: Sandbox) -> None:
    assert call(sandbox, "GET", "/environments").json() == {
        "data": [
            {"id": "env-prod", "name": "Production", "isProduction": True, "status": "ACTIVE"},
            {"id": "env-staging", "name": "Staging", "isProduction": False, "status": "ACTIVE"},
            {"id": "env-dev", "name": "Development", "isProduction": False, "status": "ACTIVE"},
        ],
        "limit": 100,
        "offset": 0,
        "totalCount": 3,
    }
    assert call(sandbox, "GET", "/environments/env-dev").json()["name"] == "Development"
    assert call(sandbox, "GET", "/traffic-types").json()["data"][0] == {
        "type": "traffic-type",
        "id": "tt-user",
        "name": "user",
    }
    assert [one["name"] for one in call(sandbox, "GET", "/rollout-statuses").json()["data"]] == ["Ramping"]
    flags = call(sandbox, "GET", "/feature-flags").json()
    assert (flags["limit"], len(flags["data"])) == (50, 8)
    flag = call(sandbox, "GET", "/feature-flags/sso_login").json()
    assert flag["trafficType"] == {"name": "account"}
    assert flag["createdAt"].endswith("Z")


def test_flags_are_found_by_name_and_status(sandbox: Sandbox) -> None:
    sandbox.call("POST", "/split/feature-flags", [{"name": "old_search", "status": "ARCHIVED"}])

    def names(**query: Any) -> list[str]:
        return [one["name"] for one in call(sandbox, "GET", "/feature-flags", **query).json()["data"]]

    assert names(name="search") == ["new_search", "old_search"]
    assert names(name="search", status="ARCHIVED") == ["old_search"]


def test_definitions_of_a_flag(sandbox: Sandbox) -> None:
    listed = call(sandbox, "GET", "/feature-flag-definitions", feature_flag_name="new_search").json()["data"]
    assert [one["environment"]["name"] for one in listed] == ["Production", "Staging", "Development"]
    one = call(sandbox, "GET", "/feature-flag-definitions/new_search", environment_id="env-dev").json()
    assert one == listed[2]
    assert call(sandbox, "GET", "/feature-flag-definitions").status_code == 400


def test_a_page_has_a_hundred_entries_at_most(sandbox: Sandbox) -> None:
    environments = [{"id": f"env-{number:03}", "name": f"Env {number}"} for number in range(117)]
    sandbox.call("POST", "/split/environments", environments)
    sizes = []
    while sum(sizes) < 120:
        page = call(sandbox, "GET", "/environments", offset=sum(sizes), limit=1000).json()
        assert (page["offset"], page["limit"], page["totalCount"]) == (sum(sizes), 100, 120)
        sizes.append(len(page["data"]))
    assert sizes == [100, 20]
    assert len(call(sandbox, "GET", "/environments", limit=7).json()["data"]) == 7
    assert call(sandbox, "GET", "/environments", limit=0).status_code == 400


@pytest.mark.parametrize("path", LISTS)
@pytest.mark.parametrize("missing", list(SCOPE))
def test_the_scope_is_mandatory(sandbox: Sandbox, path: str, missing: str) -> None:
    answer = call(sandbox, "GET", path, **{missing: None})
    assert answer.status_code == 400
    assert answer.json()["message"] == f"{missing} is required"


@pytest.mark.parametrize("name", list(SCOPE))
def test_another_scope_is_not_found(sandbox: Sandbox, name: str) -> None:
    assert call(sandbox, "GET", "/environments", **{name: "other"}).status_code == 404


@pytest.mark.parametrize(
    "token", ["", "test-admin-key", "sat.demoAccount", "sat.demoAccount.wrong", "xat.demoAccount.a"]
)
def test_only_harness_tokens_are_accepted(sandbox: Sandbox, token: str) -> None:
    answer = call(sandbox, "GET", "/environments", token=token)
    assert answer.status_code == 401
    assert answer.json()["code"] == 401


def test_a_bearer_token_is_not_enough(sandbox: Sandbox) -> None:
    url = f"{sandbox.url}/fme/api/v4/environments"
    headers = {"Authorization": f"Bearer {TOKEN}"}
    assert sandbox.http.get(url, params=SCOPE, headers=headers).status_code == 401


def test_a_token_of_another_account_is_forbidden(sandbox: Sandbox) -> None:
    assert call(sandbox, "GET", "/environments", token="pat.otherAccount.test").status_code == 403


def test_a_token_without_the_role_is_forbidden(sandbox: Sandbox) -> None:
    sandbox.call("POST", "/split/tokens", [{"token": TOKEN, "permissions": ["environments:view"]}])
    assert call(sandbox, "GET", "/environments").status_code == 200
    answer = call(sandbox, "GET", "/segments", segment_type="STANDARD")
    assert answer.status_code == 403
    assert set(answer.json()) == {"code", "message", "details", "transactionId"}


def test_an_environment_of_another_project_is_not_found(sandbox: Sandbox) -> None:
    sandbox.call("POST", "/split/workspaces", [{"id": "ws-2", "name": "Second"}])
    sandbox.call("POST", "/split/environments", [{"id": "env-2", "name": "Other", "workspace_id": "ws-2"}])
    assert call(sandbox, "GET", "/environments/env-2").status_code == 404
    assert call(sandbox, "GET", "/segment-definitions", environment_id="env-2").status_code == 404


def test_a_second_project_is_another_scope(sandbox: Sandbox) -> None:
    project = {"account_id": "demoAccount", "organizationIdentifier": "default", "projectIdentifier": "second"}
    sandbox.call("POST", "/split/workspaces", [{"id": "ws-2", "name": "Second", **project}])
    sandbox.call("POST", "/split/environments", [{"id": "env-2", "name": "Only", "workspace_id": "ws-2"}])
    found = call(sandbox, "GET", "/environments", project_identifier="second").json()["data"]
    assert [one["id"] for one in found] == ["env-2"]


def test_event_types_of_the_last_thirty_days(sandbox: Sandbox) -> None:
    post_event(sandbox, "amp.seen")
    post_event(sandbox, "amp.seen")
    post_event(sandbox, "amp.seen", "account")
    post_event(sandbox, "amp.bought", days_ago=29)
    post_event(sandbox, "amp.old", days_ago=31)
    listed = call(sandbox, "GET", "/event-types").json()
    assert listed["totalCount"] == 2
    assert {one["id"]: sorted(kind["name"] for kind in one["trafficTypes"]) for one in listed["data"]} == {
        "amp.bought": ["user"],
        "amp.seen": ["account", "user"],
    }
    for query, names in (({"name": "ough"}, ["amp.bought"]), ({"traffic_type": "tt-account"}, ["amp.seen"])):
        assert [one["id"] for one in call(sandbox, "GET", "/event-types", **query).json()["data"]] == names
    assert call(sandbox, "GET", "/event-types/amp.seen").json()["id"] == "amp.seen"
    assert call(sandbox, "GET", "/event-types/amp.old").status_code == 404


def test_event_types_can_stay_unseen(sandbox: Sandbox) -> None:
    sandbox.call("POST", "/split/settings", {"unseen_event_types": ["amp.*"]})
    post_event(sandbox, "amp.seen")
    post_event(sandbox, "other")
    assert [one["id"] for one in call(sandbox, "GET", "/event-types").json()["data"]] == ["other"]
    assert call(sandbox, "GET", "/event-types/amp.seen").status_code == 404


def test_event_types_of_another_project_are_not_listed(sandbox: Sandbox) -> None:
    sandbox.call("POST", "/split/workspaces", [{"id": "ws-2", "name": "Second"}])
    sandbox.call("POST", "/split/traffic-types", [{"id": "tt-2", "name": "device", "workspace_id": "ws-2"}])
    post_event(sandbox, "seen", "device")
    assert call(sandbox, "GET", "/event-types").json()["data"] == []


@pytest.mark.parametrize(("setting", "shown"), [("null", {"totalCount": None}), ("absent", {})])
def test_a_list_can_hide_its_length(sandbox: Sandbox, setting: str, shown: dict[str, Any]) -> None:
    sandbox.call("POST", "/split/settings", {"list_totals": setting})
    page = call(sandbox, "GET", "/traffic-types").json()
    assert len(page.pop("data")) == 3
    assert page == {"limit": 100, "offset": 0, **shown}
