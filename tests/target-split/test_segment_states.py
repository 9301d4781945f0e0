"""Which STATE passes a list of members.

Everything here holds over both Admin APIs.
"""

from __future__ import annotations

from typing import Any

from support.amplitude import MEMBER_SCHEMA, members, members_messages
from support.sandbox import Sandbox
from support.segments import activated, keys, put_segment, users

Config = dict[str, Any]


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
