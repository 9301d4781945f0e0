"""Changes of cohorts that Amplitude pushes: applied by key, in the order in which they were computed."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from support.amplitude import members, members_messages
from support.processes import Result
from support.sandbox import Sandbox

Config = dict[str, Any]
NAME = "amp_Power_users"
NOON = 1_790_000_000
DAY = 86_400
COLUMNS = ("cohort_id", "cohort_name", "message_id", "computed_time", "action", "user_id", "user_properties")
SCHEMA = {
    "type": "SCHEMA",
    "stream": "cohort_changes",
    "schema": {"properties": {name: {} for name in COLUMNS}},
    "key_properties": ["message_id", "user_id"],
}


def change(user: str | None, action: str = "add", at: float | None = NOON, **changes: Any) -> dict[str, Any]:
    """A row of tap-amplitude's `cohort_changes`; `at` in seconds since 1970."""
    moment = None if at is None else time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at))
    record = {
        "cohort_id": "ab12cd3",
        "cohort_name": "Power users",
        "message_id": f"m-{at}-{action}",
        "computed_time": moment,
        "action": action,
        "user_id": user,
        "user_properties": None,
    }
    return record | changes


def messages(*rows: dict[str, Any]) -> list[dict[str, Any]]:
    records = [{"type": "RECORD", "stream": "cohort_changes", "record": row} for row in rows]
    return [SCHEMA, *records, {"type": "STATE", "value": {"read": len(rows)}}]


def keys(sandbox: Sandbox, name: str = NAME) -> list[str]:
    [found] = [one["keys"] for one in sandbox.split_segments() if one["name"] == name]
    return found


def put_segment(sandbox: Sandbox, *held: str) -> None:
    sandbox.call("POST", "/split/segments", [{"name": NAME, "environment_id": "env-prod", "keys": list(held)}])


@pytest.fixture
def push(config: Config, run_here: Callable[..., Result]) -> Callable[..., Result]:
    """Runs the target with changes."""
    return lambda *rows, **changed: run_here(config | changed, messages(*rows))


def test_without_a_file_that_remembers_them_the_run_warns(push, config: Config):
    assert "not remembered beyond this run" not in push(change("a")).stderr
    del config["ledger_path"]
    assert "not remembered beyond this run, because there is no ledger" in push(change("a")).stderr


def test_users_enter_and_leave(push, sandbox: Sandbox):
    put_segment(sandbox, "a", "b")
    result = push(change("c"), change("a", "remove"))
    assert result.code == 0, result.stderr
    assert result.state == {"read": 2}
    assert keys(sandbox) == ["b", "c"]


def test_the_first_change_makes_the_segment(push, sandbox: Sandbox):
    assert push(change("a"), change("b")).code == 0
    assert keys(sandbox) == ["a", "b"]


def test_nothing_is_removed_by_absence(push, sandbox: Sandbox):
    put_segment(sandbox, "a", "b", "c")
    assert push(change("d")).code == 0
    assert keys(sandbox) == ["a", "b", "c", "d"]


def test_removing_whom_nobody_knows_is_harmless(push, sandbox: Sandbox):
    put_segment(sandbox, "a")
    assert push(change("stranger", "remove")).code == 0
    assert keys(sandbox) == ["a"]
    assert push(change("stranger", "remove", cohort_id="k2", cohort_name="VIP")).code == 0
    assert len(sandbox.split_segments()) == 1


@pytest.mark.parametrize("runs", [1, 2])
def test_an_older_change_never_undoes_a_newer_one(push, sandbox: Sandbox, runs: int):
    put_segment(sandbox, "a", "b")
    newer = [change("a", "remove", NOON), change("c", "add", NOON)]
    older = [change("a", "add", NOON - 60), change("c", "remove", NOON - 60)]
    for rows in [[*newer, *older]] if runs == 1 else [newer, older]:
        assert push(*rows).code == 0
    assert keys(sandbox) == ["b", "c"]


def test_a_removal_before_the_segment_exists_is_not_undone_by_an_older_addition(push, sandbox: Sandbox):
    assert push(change("b", "remove", NOON)).code == 0
    assert push(change("a", "add", NOON - 60), change("b", "add", NOON - 60)).code == 0
    assert keys(sandbox) == ["a"]


def test_repeated_messages_are_harmless(push, sandbox: Sandbox):
    rows = [change("a"), change("b"), change("a", "remove", NOON + 60)]
    for _ in range(3):
        assert push(*rows).code == 0
        assert keys(sandbox) == ["b"]


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_any_order_ends_alike(push, sandbox: Sandbox, data: st.DataObject):
    sandbox.reset()
    cohort = data.draw(st.uuids()).hex  # a cohort of its own for each example, as what was applied is remembered
    moments = [
        change(user, action, NOON + at, cohort_id=cohort, cohort_name=cohort)
        for at, (user, action) in enumerate(
            data.draw(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(["add", "remove"])), min_size=1))
        )
    ]
    expected = {row["user_id"]: row["action"] for row in moments}
    shuffled = data.draw(st.permutations(moments))
    cut = data.draw(st.integers(0, len(shuffled)))
    for rows in (shuffled[:cut], shuffled[cut:]):
        assert push(*rows).code == 0
    held = [key for one in sandbox.split_segments() for key in one["keys"]]
    assert held == sorted(user for user, action in expected.items() if action == "add")


def test_a_full_sync_and_pushes_do_not_undo_each_other(
    config: Config, push, run_here: Callable[..., Result], sandbox: Sandbox
):
    assert run_here(config, members_messages(members(3))).code == 0
    now = time.time()
    assert push(change("pushed", "add", now), change("user-0001", "remove", now)).code == 0
    # The list was computed before both changes.
    result = run_here(config, members_messages(members(3)))
    assert result.code == 0, result.stderr
    assert keys(sandbox) == ["pushed", "user-0000", "user-0002"]


def test_a_later_full_sync_has_the_last_word(config: Config, push, run_here: Callable[..., Result], sandbox: Sandbox):
    earlier = time.time() - 86_400
    assert push(change("pushed", "add", earlier), change("user-0001", "remove", earlier)).code == 0
    assert run_here(config, members_messages(members(3))).code == 0
    assert keys(sandbox) == ["user-0000", "user-0001", "user-0002"]


def test_a_cohort_has_one_segment_however_its_number_is_written(push, sandbox: Sandbox):
    rows = [change("a", cohort_id=5), change("b", cohort_id=5.0), change("c", cohort_id="5")]
    assert push(*rows).code == 0
    assert keys(sandbox) == ["a", "b", "c"]


def test_a_computation_in_the_future_blocks_no_later_change(push, sandbox: Sandbox):
    assert push(change("a", "add", time.time() + 10 * 365 * 86_400)).code == 0
    assert push(change("a", "remove", time.time() + 1)).code == 0
    assert keys(sandbox) == []


def test_a_clock_that_is_behind_keeps_the_order_of_changes(push, sandbox: Sandbox):
    sandbox.plan(preset="clock_ahead", path="*", times=None)  # by 30 days: this machine's clock is behind
    now = time.time()
    assert push(change("a", "add", now + 20 * DAY), change("b", "remove", now + 20 * DAY)).code == 0
    assert push(change("a", "remove", now + 10 * DAY), change("b", "add", now + 10 * DAY)).code == 0
    assert keys(sandbox) == ["a"]


def test_a_clock_that_is_ahead_does_not_let_a_full_sync_undo_pushes(
    config: Config, push, run_here: Callable[..., Result], sandbox: Sandbox
):
    assert run_here(config, members_messages(members(3))).code == 0
    sandbox.plan(preset="clock_behind", path="*", times=None)  # by 30 days: this machine's clock is ahead
    a_month_ago = time.time() - 30 * DAY
    assert push(change("pushed", "add", a_month_ago), change("user-0001", "remove", a_month_ago)).code == 0
    # The list, of which nobody says when it was computed, may be older than both changes.
    assert run_here(config, members_messages(members(3))).code == 0
    assert keys(sandbox) == ["pushed", "user-0000", "user-0002"]


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (change("a", "enter"), "an action other than add and remove"),
        (change("a", at=None), "no time of computation"),
        (change("a", computed_time="soon"), "no time of computation"),
        (change("a", cohort_id=None), "no cohort"),
        (change("k" * 251), "a key over 250 characters"),
        (change("half-\ud83d"), "a key that is not valid Unicode"),
        (change("a", count_group="company"), "groups of type 'company'"),
    ],
)
def test_a_change_that_cannot_be_made_is_rejected(push, sandbox: Sandbox, row: dict[str, Any], reason: str):
    result = push(row, change("b"))
    assert result.metrics["records_rejected"] == 1
    assert keys(sandbox) == ["b"]
    assert reason in result.stderr


def test_a_user_without_a_key_is_skipped(push, sandbox: Sandbox):
    result = push(change(None), change("b"))
    assert result.metrics["records_skipped"] == 1
    assert keys(sandbox) == ["b"]


def test_without_a_ledger_the_log_says_what_may_happen(push, sandbox: Sandbox):
    result = push(change("a"), ledger_path="")
    assert result.code == 0
    assert "'ledger_path'" in result.stderr
    assert keys(sandbox) == ["a"]


def test_dry_run_changes_nothing(push, sandbox: Sandbox):
    put_segment(sandbox, "a")
    result = push(change("b"), change("a", "remove"), dry_run=True)
    assert result.code == 0
    assert "1 key to add, 1 to remove" in result.stderr
    assert [r for r in sandbox.requests() if r["method"] != "GET"] == []


def test_a_failure_holds_back_state(push, sandbox: Sandbox):
    put_segment(sandbox, "a")
    sandbox.plan(path="*/removeKeys", kind="status", status=403, times=None)
    result = push(change("b"), change("a", "remove"))
    assert result.code == 1
    assert result.stdout == ""
    sandbox.call("DELETE", "/faults")
    assert push(change("b"), change("a", "remove")).code == 0
    assert keys(sandbox) == ["b"]
