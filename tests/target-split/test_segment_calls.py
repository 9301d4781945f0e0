"""The calls of the Admin API: limits, faults, others who change segments, dry runs.

Everything here holds over both Admin APIs.
"""

from __future__ import annotations

from typing import Any

import pytest

from support.amplitude import member, members
from support.sandbox import Sandbox
from support.segments import Api, keys, put_segment, users

Config = dict[str, Any]


def test_rate_limits_are_waited_out(run, api: Api, sandbox: Sandbox):
    limited = {"X-RateLimit-Reset-Seconds-Org": "1", "X-RateLimit-Reset-Seconds-IP": "0"}
    sandbox.plan(path=api.base, kind="status", status=429, headers=limited, every=4, times=3)
    result = run(members(3))
    assert result.code == 0, result.stderr
    assert keys(sandbox) == users(3)
    assert result.metrics["http_retry_count"] >= 2


@pytest.mark.parametrize("fault", [{"kind": "lost"}, {"kind": "cut"}, {"kind": "status", "status": 503}])
def test_every_call_may_fail_once(run, api: Api, sandbox: Sandbox, fault: dict[str, Any]):
    put_segment(sandbox, "amp_VIP", keys=users(10))
    sandbox.plan(path=api.base, every=2, times=None, **fault)
    result = run(members(3) + members(5, cohort="k2", name="VIP"))
    assert result.code == 0, result.stderr
    assert keys(sandbox) == users(3)
    assert keys(sandbox, "amp_VIP") == users(5)


def test_an_answer_that_is_cut_is_requested_again(run, sandbox: Sandbox):
    put_segment(sandbox, keys=users(10))
    sandbox.plan(path="*/keys", method="GET", kind="cut", after_bytes=50)
    assert run(members(6)).code == 0
    assert keys(sandbox) == users(6)


def test_a_segment_that_somebody_else_just_made(run, api: Api, sandbox: Sandbox):
    sandbox.plan(path=api.create_path, method="POST", kind="lost")  # made, and asked to be made again: 409
    assert run(members(3)).code == 0
    assert keys(sandbox) == users(3)


def test_many_segments_are_listed_page_by_page(run, sandbox: Sandbox):
    for n in range(130):
        put_segment(sandbox, f"other_{n:03}")
    put_segment(sandbox, "zz_Power_users", keys=users(5))
    assert run(members(4), segment_name="zz_{cohort_name}").code == 0
    assert keys(sandbox, "zz_Power_users") == users(4)


def test_a_workspace_that_wants_titles_and_comments(run, sandbox: Sandbox):
    sandbox.call("POST", "/split/workspaces", [{"id": "ws-demo", "name": "Demo", "requiresTitleAndComments": True}])
    assert run(members(3)).code == 0
    assert keys(sandbox) == users(3)


def test_dry_run_prints_adds_and_removes(run, sandbox: Sandbox):
    put_segment(sandbox, keys=users(4))
    rows = [member(n, cohort_size=3) for n in range(2, 5)] + members(2, cohort="k2", name="VIP")
    result = run(rows, dry_run=True)
    assert result.code == 0
    assert result.stdout == ""
    assert "'amp_Power_users' (cohort 'Power users') holds 4 keys; 1 to add, 2 to remove" in result.stderr
    assert "'amp_VIP' (cohort 'VIP') holds 0 keys; 2 to add, 0 to remove" in result.stderr
    assert [r for r in sandbox.requests() if r["method"] != "GET"] == []


def test_a_dry_run_with_members_without_keys_is_not_a_failure(run, sandbox: Sandbox):
    rows = [*members(3, cohort_size=4), member(3, cohort_size=4, user_id=None)]
    result = run(rows, dry_run=True)
    assert result.code == 0, result.stderr
    assert result.metrics["records_skipped"] == 4  # three by the dry run, one without a key
    assert sandbox.split_segments() == []


def test_no_key_of_a_person_is_in_the_log(run, sandbox: Sandbox):
    put_segment(sandbox, keys=["secret-person"])
    result = run(members(3))
    assert "user-000" not in result.stderr
    assert "secret-person" not in result.stderr
    assert "test-admin-key" not in result.stderr
    assert "sat.demoAccount" not in result.stderr
