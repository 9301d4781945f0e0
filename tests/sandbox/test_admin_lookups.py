"""The Admin API's lookups: https://docs.split.io/reference."""

from __future__ import annotations

from typing import Any

import pytest
import requests

from support.sandbox import Sandbox

HEADERS = {"Authorization": "Bearer test-admin-key"}


def get(sandbox: Sandbox, path: str, **query: Any) -> requests.Response:
    return sandbox.http.get(f"{sandbox.url}/internal/api/v2{path}", params=query, headers=HEADERS)


def test_the_seeded_workspace(sandbox: Sandbox) -> None:
    assert get(sandbox, "/workspaces").json() == {
        "objects": [
            {
                "id": "ws-demo",
                "name": "Demo",
                "type": "workspace",
                "requiresTitleAndComments": False,
                "organizationIdentifier": "default",
                "projectIdentifier": "demo",
            }
        ],
        "offset": 0,
        "limit": 20,
        "totalCount": 1,
    }
    assert get(sandbox, "/environments/ws/ws-demo").json() == [
        {"id": "env-prod", "name": "Production", "production": True},
        {"id": "env-staging", "name": "Staging", "production": False},
        {"id": "env-dev", "name": "Development", "production": False},
    ]
    assert get(sandbox, "/trafficTypes/ws/ws-demo").json() == [
        {"id": f"tt-{name}", "name": name, "displayAttributeId": None} for name in ("user", "account", "anonymous")
    ]
    flags = get(sandbox, "/splits/ws/ws-demo").json()["objects"]
    assert {flag["name"]: flag["trafficType"]["name"] for flag in flags} == {
        "checkout_redesign": "user",
        "new_search": "user",
        "pricing_page": "user",
        "onboarding_flow": "user",
        "dark_mode": "user",
        "recommendations_v2": "user",
        "account_billing": "account",
        "sso_login": "account",
    }


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ({"name": "Demo"}, ["Demo"]),
        ({"name": "De"}, []),
        ({"name": "De", "nameOp": "STARTS_WITH"}, ["Demo", "Depot"]),
        ({"name": "po", "nameOp": "CONTAINS"}, ["Depot"]),
        ({"organizationIdentifier": "default", "projectIdentifier": "demo"}, ["Demo"]),
        ({"organizationIdentifier": "other", "projectIdentifier": "demo"}, []),
    ],
)
def test_workspaces_are_found_by_name_or_project(sandbox: Sandbox, query: dict[str, str], names: list[str]) -> None:
    sandbox.call("POST", "/split/workspaces", [{"id": "ws-2", "name": "Depot"}])
    assert [one["name"] for one in get(sandbox, "/workspaces", **query).json()["objects"]] == names


def test_lists_come_in_pages_of_fifty_at_most(sandbox: Sandbox) -> None:
    sandbox.call("POST", "/split/feature-flags", [{"name": f"flag-{number:03}"} for number in range(112)])
    sizes = []
    while sum(sizes) < 120:
        page = get(sandbox, "/splits/ws/ws-demo", offset=sum(sizes), limit=100).json()
        assert (page["offset"], page["limit"], page["totalCount"]) == (sum(sizes), 50, 120)
        sizes.append(len(page["objects"]))
    assert sizes == [50, 50, 20]
    assert len(get(sandbox, "/splits/ws/ws-demo").json()["objects"]) == 20


def test_one_flag_and_the_definitions_of_an_environment(sandbox: Sandbox) -> None:
    flag = get(sandbox, "/splits/ws/ws-demo/sso_login").json()
    assert flag["trafficType"] == {"id": "tt-account", "name": "account"}
    (first, *rest) = get(sandbox, "/splits/ws/ws-demo/environments/env-prod").json()["objects"]
    assert first["environment"] == {"id": "env-prod", "name": "Production"}
    assert len(rest) == 7


@pytest.mark.parametrize(
    "path",
    [
        "/environments/ws/none",
        "/trafficTypes/ws/none",
        "/splits/ws/none",
        "/splits/ws/ws-demo/none",
        "/splits/ws/ws-demo/environments/none",
        "/segments/ws/none",
    ],
)
def test_unknown_things_are_not_found(sandbox: Sandbox, path: str) -> None:
    answer = get(sandbox, path)
    assert answer.status_code == 404
    assert set(answer.json()) == {"code", "message", "details", "transactionId"}


@pytest.mark.parametrize("query", [{"limit": "many"}, {"offset": -1}, {"limit": 0}])
def test_a_bad_page_is_refused(sandbox: Sandbox, query: dict[str, Any]) -> None:
    assert get(sandbox, "/splits/ws/ws-demo", **query).status_code == 400


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 401),
        ({"Authorization": "Bearer wrong-key"}, 401),
        ({"Authorization": "Basic dGVzdDp0ZXN0"}, 401),
        ({"x-api-key": "wrong-key"}, 401),
        ({"x-api-key": "test-token"}, 200),
        (HEADERS, 200),
    ],
)
def test_which_keys_are_accepted(sandbox: Sandbox, headers: dict[str, str], status: int) -> None:
    for path in ("/workspaces", "/environments/ws/ws-demo", "/splits/ws/ws-demo", "/segments/ws/ws-demo"):
        answer = sandbox.http.get(f"{sandbox.url}/internal/api/v2{path}", headers=headers)
        assert answer.status_code == status
        assert status == 200 or answer.json()["code"] == 401


def test_more_can_be_planted(sandbox: Sandbox) -> None:
    sandbox.call("POST", "/split/workspaces", [{"id": "ws-2", "name": "Second", "requiresTitleAndComments": True}])
    sandbox.call("POST", "/split/environments", [{"workspace_id": "ws-2", "id": "env-2", "name": "Only"}])
    sandbox.call("POST", "/split/traffic-types", [{"workspace_id": "ws-2", "id": "tt-2", "name": "device"}])
    flag = {"workspace_id": "ws-2", "name": "flag", "traffic_type": "device"}
    sandbox.call("POST", "/split/feature-flags", [flag])
    assert get(sandbox, "/workspaces").json()["objects"][1]["requiresTitleAndComments"] is True
    assert get(sandbox, "/environments/ws/ws-2").json() == [{"id": "env-2", "name": "Only", "production": False}]
    assert get(sandbox, "/splits/ws/ws-2/flag").json()["trafficType"] == {"id": "tt-2", "name": "device"}


@pytest.mark.parametrize(
    ("setting", "shown"), [("number", {"totalCount": 8}), ("null", {"totalCount": None}), ("absent", {})]
)
def test_a_list_can_hide_its_length(sandbox: Sandbox, setting: str, shown: dict[str, Any]) -> None:
    sandbox.call("POST", "/split/settings", {"list_totals": setting})
    page = get(sandbox, "/splits/ws/ws-demo").json()
    assert len(page["objects"]) == 8
    assert {name: value for name, value in page.items() if name == "totalCount"} == shown


@pytest.mark.parametrize("accepted", ["authorization", "x-api-key"])
def test_one_of_the_two_headers_can_be_refused(sandbox: Sandbox, accepted: str) -> None:
    sandbox.call("POST", "/split/settings", {"admin_headers": [accepted]})
    headers = {"authorization": {"Authorization": "Bearer test-token"}, "x-api-key": {"x-api-key": "test-token"}}
    statuses = {
        name: sandbox.http.get(f"{sandbox.url}/internal/api/v2/workspaces", headers=given).status_code
        for name, given in headers.items()
    }
    assert statuses == {name: 200 if name == accepted else 401 for name in headers}
    sandbox.reset()
    assert sandbox.call("GET", "/split/settings")["admin_headers"] == ["authorization", "x-api-key"]


def test_a_planted_token_may_do_what_it_lists(sandbox: Sandbox) -> None:
    viewer = {"token": "test-viewer", "permissions": ["environments:view", "segments:view"]}
    editor = {"token": "test-editor", "permissions": ["segments:edit"], "environments": ["env-dev"]}
    sandbox.call("POST", "/split/tokens", [viewer, editor])
    sandbox.call("POST", "/split/segments", [{"name": "vip", "environment_id": one} for one in ("env-dev", "env-prod")])

    def status(method: str, token: str, path: str) -> int:
        url = f"{sandbox.url}/internal/api/v2{path}"
        return sandbox.http.request(
            method, url, headers={"Authorization": f"Bearer {token}"}, json={"keys": ["a"]}
        ).status_code

    upload = "/segments/{}/vip/uploadKeys"
    assert status("GET", "test-viewer", "/environments/ws/ws-demo") == 200
    assert status("GET", "test-viewer", "/segments/env-dev/vip/keys") == 200
    assert status("PUT", "test-viewer", upload.format("env-dev")) == 403
    assert status("GET", "test-viewer", "/workspaces") == 403
    assert status("GET", "test-editor", "/segments/env-dev/vip/keys") == 200
    assert status("PUT", "test-editor", upload.format("env-dev")) == 200
    assert status("PUT", "test-editor", upload.format("env-prod")) == 403
    assert status("PUT", "test-unplanted", upload.format("env-prod")) == 200


@pytest.mark.parametrize("settings", [{"unknown": 1}, {"list_totals": "none"}, {"admin_headers": ["cookie"]}, []])
def test_a_bad_setting_is_refused(sandbox: Sandbox, settings: Any) -> None:
    answer = sandbox.http.post(sandbox.url + "/_sandbox/split/settings", json=settings)
    assert answer.status_code == 400
    assert answer.json()["error"]
