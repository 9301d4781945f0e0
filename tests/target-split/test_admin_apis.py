"""What differs between Split's Admin API v2 and Harness FME API v4: addresses, keys, approvals, what is left open."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from singer_sdk.exceptions import ConfigValidationError

from support.amplitude import member, members, members_messages
from support.processes import Result
from support.sandbox import Sandbox
from target_split.target import TargetSplit

Config = dict[str, Any]
NAME = "amp_Power_users"
TOKEN = "sat.demoAccount.test.token"
V2 = {"workspace_id": "ws-demo"}
V4 = {"organization": "default", "project": "demo", "admin_api_key": TOKEN}
BOTH = pytest.mark.parametrize("api", [V2, V4], ids=["v2", "v4"])


def put_segment(sandbox: Sandbox, name: str = NAME, **changes: Any) -> None:
    sandbox.call("POST", "/split/segments", [{"name": name, "environment_id": "env-prod"} | changes])


def keys(sandbox: Sandbox, name: str = NAME) -> list[str]:
    [found] = [one["keys"] for one in sandbox.split_segments() if one["name"] == name]
    return found


def users(count: int) -> list[str]:
    return [f"user-{n:04}" for n in range(count)]


def settings(sandbox: Sandbox, **changes: Any) -> None:
    sandbox.call("POST", "/split/settings", changes)


@pytest.fixture
def run(config: Config, run_here: Callable[..., Result]) -> Callable[..., Result]:
    """Runs the target with the rows of cohorts; a setting that is None is not set."""
    del config["workspace_id"]

    def run_target(rows: list[dict[str, Any]], **changes: Any) -> Result:
        chosen = {name: value for name, value in (config | changes).items() if value is not None}
        return run_here(chosen, members_messages(rows))

    return run_target


def refusal(result: Result, sandbox: Sandbox) -> str:
    """The message of a run that failed and changed nothing."""
    assert result.code == 1
    assert result.stdout == ""
    assert "Traceback" not in result.stderr
    assert [r for r in sandbox.requests() if r["method"] != "GET"] == []
    return result.stderr


# Addresses


@pytest.mark.parametrize(("workspace", "environment"), [("Demo", "env-staging"), ("ws-demo", "Staging")])
def test_v2_ids_or_names(run, sandbox: Sandbox, workspace: str, environment: str):
    assert run(members(3), workspace_id=workspace, environment=environment).code == 0
    assert sandbox.split_segments()[0]["environment_id"] == "env-staging"


@pytest.mark.parametrize("environment", ["env-staging", "Staging"])
def test_v4_environments_by_id_or_name(run, sandbox: Sandbox, environment: str):
    assert run(members(3), **V4, environment=environment).code == 0
    assert sandbox.split_segments()[0]["environment_id"] == "env-staging"


def test_v2_of_a_harness_project(run, sandbox: Sandbox):
    assert run(members(3), admin_api="v2", organization="default", project="demo").code == 0
    assert keys(sandbox) == users(3)
    assert {r["path"].split("/")[1] for r in sandbox.requests()} == {"internal"}


def test_what_is_written_over_one_is_read_over_the_other(run, sandbox: Sandbox):
    assert run(members(5), **V4).code == 0
    result = run(members(3), **V2, ledger_path=None)
    assert "holds 5 keys; 0 to add, 2 to remove" in result.stderr
    assert keys(sandbox) == users(3)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (V4 | {"account": "otherAccount"}, "'account', 'organization', 'project'"),
        (V4 | {"organization": "elsewhere"}, "'organization'"),
        (V4 | {"project": "elsewhere"}, "'project'"),
        (V4 | {"environment": "Prod"}, "no environment 'Prod'"),
        (V4 | {"admin_api_key": "sat.demoAccount.wrong.token"}, "It must be a Harness token"),
        (V2 | {"admin_api_key": "wrong-key"}, "sent as 'Authorization' and as 'x-api-key'"),
        ({"admin_api": "v2", "organization": "default", "project": "elsewhere"}, "'organization' and 'project'"),
    ],
)
def test_a_wrong_address_or_key_is_one_sentence(run, sandbox: Sandbox, changes: Config, said: str):
    assert said in refusal(run(members(3), **changes), sandbox)


def test_v4_needs_a_token_of_the_account(run, sandbox: Sandbox):
    other = V4 | {"admin_api_key": "sat.otherAccount.test.token"}
    assert "'account'" in refusal(run(members(3), **other), sandbox)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (V4 | V2, "'workspace_id' and 'project' are both set"),
        (V4 | {"admin_api_key": "test-admin-key"}, "'admin_api_key' is not a Harness token"),
        ({"admin_api": "v4", "admin_api_key": TOKEN}, "'organization', 'project'"),
        ({"admin_api": "v3"}, "'admin_api' must be one of: auto, v2, v4"),
        ({"on_approval": "ask"}, "'on_approval' must be one of: stop, request"),
    ],
)
def test_settings_that_contradict_each_other(config: Config, changes: Config, said: str):
    del config["workspace_id"]
    with pytest.raises(ConfigValidationError) as error:
        TargetSplit(config=config | changes)
    assert said in str(error.value)


# Keys


@pytest.mark.parametrize("header", ["Authorization", "x-api-key"])
@pytest.mark.parametrize("accepted", ["authorization", "x-api-key"])
def test_v2_tries_the_other_header_once(run, sandbox: Sandbox, header: str, accepted: str):
    settings(sandbox, admin_headers=[accepted])
    assert run(members(3), **V2, auth_header=header).code == 0
    assert keys(sandbox) == users(3)
    statuses = [r["status"] for r in sandbox.requests()]
    assert statuses.count(401) == (header.lower() != accepted)
    assert len(statuses) > 3


@BOTH
def test_a_key_without_the_permission(run, sandbox: Sandbox, api: Config):
    views = ["workspaces:view", "environments:view", "traffic-types:view", "segments:view"]
    token = "sat.demoAccount.viewer.token"
    sandbox.call("POST", "/split/tokens", [{"token": token, "permissions": views}])
    result = run(members(3), **(api | {"admin_api_key": token}))
    assert result.code == 1
    assert "may not create segment" in result.stderr
    assert "403" in result.stderr
    assert sandbox.split_segments() == []
    assert token not in result.stderr


# Approvals


def require_approvals(sandbox: Sandbox) -> None:
    environment = {"id": "env-prod", "name": "Production", "production": True, "approvals_required": True}
    sandbox.call("POST", "/split/environments", [environment])


def change_requests(sandbox: Sandbox) -> list[dict[str, Any]]:
    return sandbox.call("GET", "/split/change-requests")


@pytest.mark.parametrize("answer", ["conflict", "forbidden"])
@BOTH
def test_approvals_leave_the_segment_and_others_go_on(run, sandbox: Sandbox, api: Config, answer: str):
    settings(sandbox, v4_approvals=answer)
    put_segment(sandbox, keys=users(3))
    put_segment(sandbox, "amp_VIP", keys=users(2))
    require_approvals(sandbox)
    result = run([*members(2, cohort="k2", name="VIP"), *members(4)], **api)
    assert result.code == 1
    assert "approvals" in result.stderr
    assert "service account" in result.stderr
    assert "Traceback" not in result.stderr
    assert (keys(sandbox), keys(sandbox, "amp_VIP")) == (users(3), users(2))
    assert "'amp_VIP' (cohort 'VIP') holds 2 keys; 0 to add" in result.stderr


@BOTH
def test_who_may_skip_approvals_is_not_held_up(run, sandbox: Sandbox, api: Config):
    key = api.get("admin_api_key", "test-admin-key")
    environment = {"id": "env-prod", "name": "Production", "approvals_required": True, "approval_skippable_by": [key]}
    sandbox.call("POST", "/split/environments", [environment])
    assert run(members(4), **api).code == 0
    assert keys(sandbox) == users(4)


def test_v4_takes_a_change_that_waits(run, sandbox: Sandbox):
    settings(sandbox, v4_approvals="pending")
    require_approvals(sandbox)
    result = run(members(4), **V4)
    assert result.code == 0
    assert result.stdout == ""  # nothing has changed, so no STATE passes
    assert "waits for approval" in result.stderr
    assert keys(sandbox) == []


def test_v2_opens_one_change_request_at_a_time(run, sandbox: Sandbox):
    put_segment(sandbox, keys=[*users(2), "gone"])
    require_approvals(sandbox)
    opened = run(members(4), **V2, on_approval="request")
    assert opened.code == 0, opened.stderr
    assert opened.stdout == ""
    [request] = change_requests(sandbox)
    assert (request["operation"], request["keys"]) == ("CREATE", users(4)[2:])
    assert f"change request {request['id']} asks to add 2 keys" in opened.stderr
    waiting = run(members(4), **V2, on_approval="request")
    assert f"change request {request['id']} waits for approval" in waiting.stderr
    assert len(change_requests(sandbox)) == 1


def test_v4_has_no_change_requests(run, sandbox: Sandbox):
    require_approvals(sandbox)
    result = run(members(4), **V4, on_approval="request")
    assert result.code == 1
    assert "no call that opens a change request" in result.stderr


# What the documentation leaves open


@pytest.mark.parametrize("member_name", ["data", "keys", "objects"])
@pytest.mark.parametrize("shape", ["objects", "texts"])
def test_v4_keys_in_any_shape(run, sandbox: Sandbox, member_name: str, shape: str):
    settings(sandbox, keys_as=shape, keys_member=member_name)
    put_segment(sandbox, keys=users(120))
    assert run(members(150), **V4).code == 0
    assert keys(sandbox) == users(150)


@pytest.mark.parametrize("totals", ["null", "absent"])
@BOTH
def test_lists_without_totals(run, sandbox: Sandbox, api: Config, totals: str):
    settings(sandbox, list_totals=totals)
    for n in range(60):
        put_segment(sandbox, f"other_{n:02}")
    put_segment(sandbox, keys=users(250))
    assert run(members(240), **api).code == 0
    assert keys(sandbox) == users(240)


@BOTH
def test_activation_takes_a_while(run, sandbox: Sandbox, api: Config, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("target_split.connection.FIRST_WAIT_SECONDS", 0.01)
    settings(sandbox, activation_404s=4)
    assert run(members(3), **api).code == 0
    assert keys(sandbox) == users(3)


@pytest.mark.parametrize("kind", ["LARGE", "RULE_BASED"])
@BOTH
def test_a_segment_of_another_kind_is_left(run, sandbox: Sandbox, api: Config, kind: str):
    sandbox.call("POST", "/split/segments", [{"name": NAME, "segment_type": kind}])
    result = run([*members(3), *members(2, cohort="k2", name="VIP")], **api)
    assert result.code == 1
    assert "not a standard segment" in result.stderr
    assert keys(sandbox, "amp_VIP") == users(2)


def test_v2_large_pages_that_are_refused(run, sandbox: Sandbox):
    put_segment(sandbox, keys=users(250))
    sandbox.plan(path="*/keys", kind="status", status=400)
    assert run(members(240), **V2).code == 0
    assert keys(sandbox) == users(240)


@pytest.mark.parametrize("preset", ["login_page", "redirect_to_404", "html_404", "foreign_code", "empty_success"])
@BOTH
def test_another_service_that_answers_is_one_sentence(run, sandbox: Sandbox, api: Config, preset: str):
    sandbox.plan(preset=preset, times=None)
    result = run(members(3), **api)
    assert result.code == 1
    assert "Traceback" not in result.stderr
    assert "no workspace" not in result.stderr
    assert "'admin_url'" in result.stderr or "not a list" in result.stderr


# What earlier runs left in a segment


def requests_of(run: Callable[..., Result], sandbox: Sandbox, rows: list[dict[str, Any]], **changes: Any) -> int:
    before = len(sandbox.requests())
    result = run(rows, **changes)
    assert result.code == 0, result.stderr
    return len(sandbox.requests()) - before


@BOTH
def test_an_unchanged_cohort_costs_a_handful_of_requests(run, sandbox: Sandbox, api: Config):
    rows = members(3_000)
    requests_of(run, sandbox, rows, **api)
    assert requests_of(run, sandbox, rows, **api) <= 6


@BOTH
def test_a_changed_cohort_costs_its_difference(run, sandbox: Sandbox, api: Config):
    requests_of(run, sandbox, members(3_000), **api)
    changed = [member(n, cohort_size=3_000) for n in range(10, 3_010)]
    assert requests_of(run, sandbox, changed, **api) <= 8
    assert keys(sandbox) == [f"user-{n:04}" for n in range(10, 3_010)]


@BOTH
def test_a_segment_that_somebody_else_changed_is_read_again(run, sandbox: Sandbox, api: Config):
    requests_of(run, sandbox, members(300), **api)
    put_segment(sandbox, keys=["stranger"])
    requests_of(run, sandbox, members(300), **api)
    assert keys(sandbox) == users(300)


@BOTH
def test_now_and_then_a_segment_is_read_whatever_its_count(run, sandbox: Sandbox, api: Config):
    requests_of(run, sandbox, members(30), **api)
    costs = [requests_of(run, sandbox, members(30), **api) for _ in range(9)]
    assert max(costs) <= 8
    reads = [r for r in sandbox.requests() if r["path"].endswith("/keys") and r["method"] == "GET" and r["items"] == 30]
    assert len(reads) == 1


def test_what_is_remembered_is_private(run, sandbox: Sandbox, config: Config):
    assert run(members(3), **V2).code == 0
    file = Path(config["ledger_path"] + ".segments")
    assert file.stat().st_mode & 0o777 == 0o600


def test_after_a_failed_change_the_segment_is_read_again(run, sandbox: Sandbox):
    requests_of(run, sandbox, members(300), **V2)
    sandbox.plan(path="*/uploadKeys", kind="lost", times=1)
    sandbox.plan(path="*/uploadKeys", kind="status", status=400, times=None)
    changed = [member(n, cohort_size=300) for n in range(10, 310)]
    assert run(changed, **V2).code == 1
    sandbox.call("DELETE", "/faults")
    requests_of(run, sandbox, changed, **V2)
    assert keys(sandbox) == [f"user-{n:04}" for n in range(10, 310)]
