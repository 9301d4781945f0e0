"""Keys leave a segment only on proof that the list of members is complete.

Everything here holds over both Admin APIs.
"""

from __future__ import annotations

from typing import Any

import pytest

from support.amplitude import member, members, members_messages
from support.sandbox import Sandbox
from support.segments import COHORTS, Api, activated, cohort, keys, put_segment, users

Config = dict[str, Any]


def test_a_tap_that_died_half_way_removes_nothing(run, sandbox: Sandbox):
    put_segment(sandbox, keys=users(10))
    result = run([*members(8)[:6], member(99, cohort_size=8)])
    assert result.code == 0, result.stderr
    assert keys(sandbox) == [*users(10), "user-0099"]
    assert "not removed: 4, because 7 of its 8 rows came" in result.stderr


def test_the_sign_of_the_end_does_not_outweigh_missing_rows(run, sandbox: Sandbox):
    put_segment(sandbox, keys=users(10))
    assert run([*members_messages(members(8)[:6]), activated()]).code == 0
    assert keys(sandbox) == users(10)


def test_a_filter_of_a_stream_map_removes_nothing(run, sandbox: Sandbox):
    put_segment(sandbox, keys=users(10))
    maps = {"cohort_members": {"__filter__": "amplitude_id < 200000000006"}}
    result = run([*members_messages(members(8)), activated()], stream_maps=maps)
    assert result.code == 0, result.stderr
    assert keys(sandbox) == users(10)
    assert "6 of its 8 rows came" in result.stderr


def test_a_filter_of_a_mapping_removes_nothing(run, sandbox: Sandbox):
    put_segment(sandbox, keys=users(10))
    mappings = {"cohort_members": {"filter": {"user_id": ["user-000[0-5]"]}}}
    assert run([*members_messages(members(8)), activated()], mappings=mappings).code == 0
    assert keys(sandbox) == users(10)


def test_a_record_that_breaks_its_schema_removes_nothing(run, sandbox: Sandbox):
    put_segment(sandbox, keys=users(10))
    rows = members(8)
    rows[3]["user_id"] = 3
    assert run([*members_messages(rows), activated()]).code == 0
    assert keys(sandbox) == users(10)


def test_an_empty_stream_removes_nothing(run, sandbox: Sandbox):
    put_segment(sandbox, keys=users(10))
    assert run([*members_messages([]), activated()]).code == 0
    assert keys(sandbox) == users(10)


def test_a_cohort_that_is_missing_leaves_its_segment(run, sandbox: Sandbox):
    put_segment(sandbox, keys=users(10))
    assert run([*members_messages(members(3, cohort="k2", name="VIP")), activated()]).code == 0
    assert keys(sandbox) == users(10)


def test_a_cohort_that_lost_nine_in_ten_fails_and_others_go_on(run, sandbox: Sandbox):
    put_segment(sandbox, keys=users(20))
    rows = [*members(2), *members(3, cohort="k2", name="VIP")]
    result = run(rows)
    assert result.code == 1
    assert keys(sandbox) == users(20)
    assert keys(sandbox, "amp_VIP") == users(3)
    assert "keeps 18 keys, because that is 90% of the segment; raise 'max_removal_share'" in result.stderr
    assert result.stdout == ""  # no STATE passes it
    assert run(rows, max_removal_share=0.9).code == 0
    assert keys(sandbox) == users(2)


def test_a_small_cohort_can_lose_most_of_its_members(run, sandbox: Sandbox):
    put_segment(sandbox, keys=users(2))
    assert run(members(1)).code == 0
    assert keys(sandbox) == users(1)


def test_a_cohort_that_is_said_to_be_empty(run, sandbox: Sandbox):
    put_segment(sandbox, keys=users(10))
    messages = [COHORTS, cohort(0), *members_messages([]), activated()]
    result = run(messages)
    assert result.code == 0, result.stderr
    assert keys(sandbox) == users(10)
    assert "'allow_empty_segments'" in result.stderr
    assert run(messages, allow_empty_segments=True).code == 0
    assert keys(sandbox) == []


@pytest.mark.parametrize("changes", [{"size": 3}, {"finished": False}])
def test_a_cohort_that_is_not_empty_or_not_computed_yet(run, sandbox: Sandbox, changes: dict[str, Any]):
    put_segment(sandbox, keys=users(10))
    assert run([COHORTS, cohort(**({"size": 0} | changes))], allow_empty_segments=True).code == 0
    assert keys(sandbox) == users(10)


def test_a_cohort_whose_members_came_is_not_emptied_by_an_older_size(run, sandbox: Sandbox):
    messages = [COHORTS, cohort(0), *members_messages(members(4)), activated()]
    assert run(messages, allow_empty_segments=True).code == 0
    assert keys(sandbox) == users(4)


def test_a_cohort_of_people_without_ids_counts_as_empty(run, sandbox: Sandbox):
    put_segment(sandbox, keys=users(10))
    result = run(members(4, user_id=None))
    assert keys(sandbox) == users(10)
    assert result.metrics["records_skipped"] == 4


def test_an_empty_cohort_makes_no_segment(run, sandbox: Sandbox):
    assert run([COHORTS, cohort(0)], allow_empty_segments=True).code == 0
    assert sandbox.split_segments() == []


def test_a_failure_between_two_calls_never_empties(run, sandbox: Sandbox, api: Api):
    before = users(100, 40_000)
    put_segment(sandbox, keys=before)
    sandbox.plan(path=api.add_path, method=api.add_method, kind="status", status=400, skip=1, times=None)
    result = run(members(15_000), max_removal_share=1)
    assert result.code == 1
    assert len(keys(sandbox)) >= len(before)
    assert set(before) <= set(keys(sandbox))
    assert result.stdout == ""
    sandbox.call("DELETE", "/faults")
    assert run(members(15_000), max_removal_share=1).code == 0
    assert keys(sandbox) == sorted(users(15_000))
