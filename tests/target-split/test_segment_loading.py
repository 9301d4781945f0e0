"""Cohorts through the whole target, over real HTTP: what becomes of segments, and what never happens to them.

Everything here holds over both Admin APIs.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from support.amplitude import MEMBER_SCHEMA, member, members, members_messages
from support.processes import Result
from support.sandbox import Sandbox

Config = dict[str, Any]
NAME = "amp_Power_users"
CUT_EMOJIS = ((2, "\ud83d"), (3, "\ude00"))
COHORTS = {
    "type": "SCHEMA",
    "stream": "cohorts",
    "schema": {"properties": {name: {} for name in ("id", "name", "size", "finished", "lastComputed")}},
    "key_properties": ["id"],
}


def activated(stream: str = "cohort_members") -> dict[str, Any]:
    return {"type": "ACTIVATE_VERSION", "stream": stream, "version": 1}


def cohort(size: int, cohort_id: str = "ab12cd3", name: str = "Power users", **changes: Any) -> dict[str, Any]:
    record = {"id": cohort_id, "name": name, "size": size, "finished": True, "lastComputed": None}
    return {"type": "RECORD", "stream": "cohorts", "record": record | changes}


def put_segment(sandbox: Sandbox, name: str = NAME, keys: Sequence[str] = (), **changes: Any) -> None:
    segment = {"name": name, "environment_id": "env-prod", "keys": list(keys)}
    sandbox.call("POST", "/split/segments", [segment | changes])


def keys(sandbox: Sandbox, name: str = NAME) -> list[str]:
    [found] = [one["keys"] for one in sandbox.split_segments() if one["name"] == name]
    return found


def users(count: int, start: int = 0) -> list[str]:
    return [f"user-{n:04}" for n in range(start, start + count)]


def writes(sandbox: Sandbox) -> list[tuple[str, int]]:
    """Calls that change keys: add or remove, and how many."""
    words = {"uploadKeys": "add", "keys": "add", "removeKeys": "remove", "remove": "remove"}
    calls = [(r, r["path"].rsplit("/", 1)[1]) for r in sandbox.requests() if r["method"] in ("PUT", "POST")]
    return [(words[last], r["items"]) for r, last in calls if last in words]


@dataclass(frozen=True)
class Api:
    """An Admin API: its settings, and where its calls go."""

    settings: dict[str, str]
    base: str
    create_path: str
    add_path: str
    add_method: str


APIS = {
    "v2": Api(
        {"workspace_id": "ws-demo"}, "/internal/api/v2/*", "/internal/api/v2/segments/ws/*", "*/uploadKeys", "PUT"
    ),
    "v4": Api(
        {"organization": "default", "project": "demo", "admin_api_key": "sat.demoAccount.test.token"},
        "/fme/api/v4/*",
        "/fme/api/v4/segments",
        "*/keys",
        "POST",
    ),
}


@pytest.fixture(params=["v2", "v4"])
def api(request: pytest.FixtureRequest) -> Api:
    return APIS[request.param]


@pytest.fixture
def run(config: Config, api: Api, run_here: Callable[..., Result]) -> Callable[..., Result]:
    """Runs the target with messages, or with the rows of cohorts."""
    del config["workspace_id"]
    config |= api.settings

    def run_target(messages: list[dict[str, Any]], **changes: Any) -> Result:
        if messages and "type" not in messages[0]:
            messages = members_messages(messages)
        return run_here(config | changes, messages)

    return run_target


def test_several_cohorts_in_one_run(run, sandbox: Sandbox):
    rows = members(5) + members(7, cohort="k2", name="Köln power users") + members(3, cohort="k3", name="VIP")
    result = run([*members_messages(rows), activated()])
    assert result.code == 0, result.stderr
    assert sorted((one["name"][:20], len(one["keys"])) for one in sandbox.split_segments()) == [
        ("amp_Koln_power_users", 7),
        (NAME, 5),
        ("amp_VIP", 3),
    ]
    assert all(one["environment_id"] == "env-prod" for one in sandbox.split_segments())


def test_cohorts_whose_rows_are_mixed(run, sandbox: Sandbox):
    rows = [row for pair in zip(members(5), members(5, cohort="k2", name="VIP"), strict=True) for row in pair]
    put_segment(sandbox, keys=["user-0000", "gone"])
    assert run(rows).code == 0
    assert keys(sandbox) == users(5)
    assert keys(sandbox, "amp_VIP") == users(5)


def test_only_the_difference_is_sent(run, sandbox: Sandbox):
    put_segment(sandbox, keys=users(30))
    result = run([member(n, cohort_size=30) for n in range(5, 35)])
    assert result.code == 0, result.stderr
    assert keys(sandbox) == users(30, 5)
    assert writes(sandbox) == [("add", 5), ("remove", 5)]
    assert result.metrics["records_deduplicated"] == 25
    assert "holds 30 keys; 5 to add, 5 to remove" in result.stderr


def test_a_segment_that_is_not_active_yet_is_activated(run, sandbox: Sandbox):
    put_segment(sandbox, environment_id=None)
    assert run(members(3)).code == 0
    assert keys(sandbox) == users(3)
    creations = [r for r in sandbox.requests() if r["method"] == "POST" and "/definitions" not in r["path"]]
    assert creations
    assert not [r for r in creations if "/trafficTypes/" in r["path"] or r["path"].endswith("/segments")]


def test_calls_hold_at_most_ten_thousand_keys(run, sandbox: Sandbox):
    put_segment(sandbox, keys=users(12_000, 20_000))
    result = run(members(25_000), max_removal_share=1)
    assert result.code == 0, result.stderr
    assert writes(sandbox) == [("add", 10_000), ("add", 10_000), ("remove", 7_000)]
    assert len(keys(sandbox)) == 25_000


def test_over_a_hundred_thousand_is_refused_before_anything_changes(run, sandbox: Sandbox):
    put_segment(sandbox, keys=["user-0000"])
    result = run(members(100_001) + members(2, cohort="k2", name="VIP"))
    assert result.code == 1
    assert "100,000" in result.stderr
    assert "large segment" in result.stderr
    assert keys(sandbox) == ["user-0000"]
    assert keys(sandbox, "amp_VIP") == users(2)  # the others are served
    assert result.stdout == ""  # and no STATE passes what was refused


def test_what_is_held_and_added_together_counts(run, sandbox: Sandbox):
    put_segment(sandbox, keys=[f"old-{n}" for n in range(60_000)])
    result = run(members(60_000))
    assert result.code == 1
    assert "120,000 keys" in result.stderr
    assert writes(sandbox) == []


# Keys are removed on proof only


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


# Names


def test_two_cohorts_whose_names_clean_to_one(run, sandbox: Sandbox):
    assert run(members(2) + members(3, cohort="k2", name="Power-users")).code == 0
    assert run(members(4, cohort="k3", name="Power/users")).code == 0
    assert sorted(len(one["keys"]) for one in sandbox.split_segments()) == [2, 3, 4]


@pytest.mark.parametrize("order", [1, -1])
def test_two_cohorts_of_one_name_are_two_segments_in_every_run(run, sandbox: Sandbox, order: int):
    cohorts = [members(2), members(3, cohort="k2")]
    assert run([row for cohort in cohorts for row in cohort]).code == 0
    assert (keys(sandbox), keys(sandbox, f"{NAME}_k2")) == (users(2), users(3))
    again = run([row for cohort in [members(4), members(5, cohort="k2")][::order] for row in cohort])
    assert again.code == 0, again.stderr
    assert (keys(sandbox), keys(sandbox, f"{NAME}_k2")) == (users(4), users(5))
    assert run(members(6, cohort="k2")).code == 0
    assert (keys(sandbox), keys(sandbox, f"{NAME}_k2")) == (users(4), users(6))
    assert len(sandbox.split_segments()) == 2


def test_two_cohorts_of_one_name_in_two_runs(run, sandbox: Sandbox):
    assert run(members(2)).code == 0
    assert run(members(3, cohort="k2")).code == 0
    assert (keys(sandbox), keys(sandbox, f"{NAME}_k2")) == (users(2), users(3))


@pytest.mark.parametrize("name", [None, "", "  "])
def test_a_cohort_without_a_name_is_called_by_its_id(run, sandbox: Sandbox, name: str | None):
    assert run([member(n, cohort_name=name, cohort_size=2) for n in range(2)]).code == 0
    assert keys(sandbox, "amp_ab12cd3") == users(2)


def test_half_a_surrogate_pair_in_a_key_is_rejected(run, sandbox: Sandbox, config: Config):
    rows = [member(1, cohort_size=3), *(member(n, user_id=f"half-{cut}", cohort_size=3) for n, cut in CUT_EMOJIS)]
    put_segment(sandbox, keys=["half-\ufffd"])
    result = run(rows)
    assert result.code == 0, result.stderr
    assert keys(sandbox) == ["user-0001"]
    assert result.metrics["records_rejected"] == 2
    assert result.state == {"read": 3}
    rejects = [json.loads(line) for line in Path(config["rejects_path"]).read_text().splitlines()]
    assert [(one["record"]["amplitude_id"], one["reason"]) for one in rejects] == [
        (rows[n]["amplitude_id"], "a key that is not valid Unicode") for n in (1, 2)
    ]


# Cohorts of groups


def group_rows(count: int) -> list[dict[str, Any]]:
    """Members as tap-amplitude emits them of a cohort of companies: without Amplitude ids."""
    return [member(n, amplitude_id=None, count_group="company", cohort_size=count) for n in range(count)]


def group_messages(count: int) -> list[dict[str, Any]]:
    schema = {**MEMBER_SCHEMA, "properties": {**MEMBER_SCHEMA["properties"], "count_group": {}}}
    return members_messages(group_rows(count), schema=schema)


def test_a_cohort_of_groups_is_refused_by_name_and_others_go_on(run, sandbox: Sandbox):
    put_segment(sandbox, keys=["old"])
    result = run([*group_messages(3), *members_messages(members(2, cohort="k2", name="VIP"))])
    assert result.code == 1
    assert "cohort 'Power users'" in result.stderr
    assert "groups of type 'company'" in result.stderr
    assert "'traffic_types'" in result.stderr
    assert keys(sandbox) == ["old"]
    assert keys(sandbox, "amp_VIP") == users(2)


def test_a_cohort_of_groups_fills_a_segment_of_its_traffic_type(run, sandbox: Sandbox):
    types = {"company": "account"}
    put_segment(sandbox, traffic_type="account", keys=[*users(3), "gone"])
    result = run(group_messages(3), traffic_types=types)
    assert result.code == 0, result.stderr
    assert keys(sandbox) == users(3)  # all rows came, though none has an Amplitude id


def test_users_are_the_usual_group(run, sandbox: Sandbox):
    assert run([member(n, count_group="User", cohort_size=2) for n in range(2)]).code == 0
    assert keys(sandbox) == users(2)


# Which STATE passes


def test_state_waits_for_the_whole_list(run, sandbox: Sandbox):
    put_segment(sandbox, keys=users(30))
    result = run(members(30)[:20])
    assert result.code == 0
    assert keys(sandbox) == users(30)
    assert result.stdout == ""
    assert "STATE is held back from the cohort 'Power users' on, because 20 of its 30 rows came" in result.stderr


def test_activate_version_releases_no_state_against_the_size(run, sandbox: Sandbox):
    put_segment(sandbox, keys=users(3))
    opening, row, state = members_messages(members(3)[:1])
    result = run([opening, row, activated(), state])
    assert result.code == 0, result.stderr
    assert keys(sandbox) == users(3)
    assert result.stdout == ""
    assert "STATE is held back from the cohort 'Power users' on, because 1 of its 3 rows came" in result.stderr
    opening, *rows, state = members_messages(members(3))
    assert run([opening, *rows, activated(), state]).state == {"read": 3}


def test_a_filter_explains_as_many_missing_rows_as_it_dropped(run, sandbox: Sandbox):
    maps = {"cohort_members": {"__filter__": "amplitude_id != 200000000000"}}
    opening, *rows, state = members_messages(members(8))
    assert run([opening, *rows, activated(), state], stream_maps=maps).state == {"read": 8}
    opening, *rows, state = members_messages(members(8)[:7])
    assert run([opening, *rows, activated(), state], stream_maps=maps).stdout == ""


WITHOUT_SIZE = {
    **MEMBER_SCHEMA,
    "properties": {k: v for k, v in MEMBER_SCHEMA["properties"].items() if "size" not in k},
}


def unsized(rows: list[dict[str, Any]], *, last: bool) -> list[dict[str, Any]]:
    """Messages of members without `cohort_size`; the last ones of a list are followed by ACTIVATE_VERSION."""
    bare = [{name: value for name, value in row.items() if name != "cohort_size"} for row in rows]
    return [*members_messages(bare, schema=WITHOUT_SIZE), *([activated()] if last else [])]


def test_members_without_a_size_are_proven_by_activate_version_alone(run, sandbox: Sandbox):
    put_segment(sandbox, keys=[*users(30), "gone"])
    died = run(unsized(members(30)[:20], last=False))
    assert died.code == 0
    assert died.stdout == ""  # so the tap starts afresh, and the whole list comes
    assert keys(sandbox) == sorted([*users(30), "gone"])
    whole = run(unsized(members(30), last=True))
    assert whole.state == {"read": 30}
    assert keys(sandbox) == users(30)


def test_what_is_filtered_on_purpose_holds_back_no_state(run, sandbox: Sandbox):
    mappings = {"cohort_members": {"filter": {"user_id": ["user-000[0-5]"]}}}
    assert run(members(8), mappings=mappings).state == {"read": 8}
    maps = {"cohort_members": {"__filter__": "amplitude_id < 200000000006"}}
    assert run([*members_messages(members(8)), activated()], stream_maps=maps).stdout != ""


def test_a_stream_that_brings_only_what_is_new_holds_back_no_state(run, sandbox: Sandbox):
    schema = {"type": "SCHEMA", "stream": "vips", "schema": {"properties": {"mail": {}, "tier": {}}}}
    rows = [{"type": "RECORD", "stream": "vips", "record": {"mail": f"u{n}", "tier": "gold"}} for n in range(3)]
    messages = [schema | {"key_properties": []}, *rows, {"type": "STATE", "value": {"read": 3}}]
    mappings = {"vips": {"segment": "tier", "key": "mail"}}
    assert run(messages, mappings=mappings).stdout == ""
    messages[0] |= {"bookmark_properties": ["updated_at"]}
    assert run(messages, mappings=mappings).state == {"read": 3}


def test_a_segment_of_another_traffic_type(run, sandbox: Sandbox):
    put_segment(sandbox, traffic_type="account", keys=["a1"])
    result = run(members(3))
    assert result.code == 1
    assert "traffic type 'account'" in result.stderr
    assert keys(sandbox) == ["a1"]


# Other streams


def test_any_stream_by_a_mapping(run, sandbox: Sandbox):
    schema = {
        "type": "SCHEMA",
        "stream": "vips",
        "schema": {"properties": {"mail": {}, "tier": {}}},
        "key_properties": [],
    }
    rows = [{"mail": f"u{n}@example.com", "tier": "gold" if n < 2 else "silver"} for n in range(5)]
    messages = [schema, *({"type": "RECORD", "stream": "vips", "record": row} for row in rows)]
    mappings = {"vips": {"segment": "tier", "key": "mail"}}
    put_segment(sandbox, "gold", ["old@example.com", "u0@example.com"])
    assert run(messages, mappings=mappings).code == 0
    assert keys(sandbox, "gold") == ["old@example.com", "u0@example.com", "u1@example.com"]
    assert run([*messages, activated("vips")], mappings=mappings).code == 0
    assert keys(sandbox, "gold") == ["u0@example.com", "u1@example.com"]
    assert keys(sandbox, "silver") == ["u2@example.com", "u3@example.com", "u4@example.com"]


def test_no_size_and_a_filter_prove_nothing(run, sandbox: Sandbox):
    schema = {"properties": {"mail": {}, "tier": {}}}
    messages = [
        {"type": "SCHEMA", "stream": "vips", "schema": schema, "key_properties": []},
        *({"type": "RECORD", "stream": "vips", "record": {"mail": f"u{n}", "tier": "gold"}} for n in range(5)),
        activated("vips"),
    ]
    put_segment(sandbox, "gold", [f"u{n}" for n in range(5)])
    mapping = {"segment": "tier", "key": "mail"}
    assert run(messages, mappings={"vips": mapping | {"filter": {"mail": ["u[0-3]"]}}}).code == 0
    assert len(keys(sandbox, "gold")) == 5
    assert run(messages, mappings={"vips": mapping}, stream_maps={"vips": {"__filter__": "mail != 'u4'"}}).code == 0
    assert len(keys(sandbox, "gold")) == 5


def test_members_with_keys_that_no_segment_takes(run, sandbox: Sandbox):
    rows = members(3, cohort_size=5)
    rows += [member(3, cohort_size=5, user_id="k" * 251), member(4, cohort_size=5, user_id=None)]
    put_segment(sandbox, keys=[*users(3), "gone"])
    result = run(rows)
    assert result.code == 0
    assert keys(sandbox) == users(3)
    assert result.metrics["records_rejected"] == 1
    assert result.metrics["records_skipped"] == 1


# The Admin API


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


def test_rows_of_the_schema_fit_the_fixture():
    assert set(member(0)) == set(MEMBER_SCHEMA["properties"])
