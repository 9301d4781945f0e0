"""Cohorts through the whole target, over real HTTP: which segments they become.

Everything here holds over both Admin APIs.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from support.amplitude import MEMBER_SCHEMA, member, members, members_messages
from support.sandbox import Sandbox
from support.segments import NAME, activated, keys, put_segment, users, writes

Config = dict[str, Any]

CUT_EMOJIS = ((2, "\ud83d"), (3, "\ude00"))


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


def test_rows_of_the_schema_fit_the_fixture():
    assert set(member(0)) == set(MEMBER_SCHEMA["properties"])
