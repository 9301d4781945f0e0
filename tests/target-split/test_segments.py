"""What changes in a segment, in which order, and what never happens."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from target_split.api.limits import MAX_KEYS_PER_CALL, MAX_KEYS_PER_SEGMENT
from target_split.mapping.segments import ListName
from target_split.segments.member_list import MemberList, size_of
from target_split.segments.plan import MIN_KEYS_FOR_SHARE, Plan, calls, plan

KEYS = st.sets(st.integers(0, 30).map(str), max_size=20)


def a_plan(
    held: set[str], wanted: set[str], reason: str | None = None, share: float = 0.5, empty: bool = False
) -> Plan:
    return plan(held, wanted, reason, max_removal_share=share, allow_empty=empty)


@given(KEYS, KEYS)
def test_a_complete_list_leaves_exactly_its_keys(held: set[str], wanted: set[str]):
    changes = a_plan(held, wanted, share=1.0, empty=True)
    assert (held | set(changes.adds)) - set(changes.removes) == wanted
    assert changes.after == len(wanted)
    assert not set(changes.adds) & held


@given(KEYS, KEYS)
def test_an_incomplete_list_only_adds(held: set[str], wanted: set[str]):
    changes = a_plan(held, wanted, reason="3 of its 9 rows came", share=1.0, empty=True)
    assert changes.removes == []
    assert set(changes.adds) == wanted - held
    assert (changes.kept_because is None) == (held <= wanted)


@pytest.mark.parametrize(("wanted", "removed"), [(10, 10), (9, 0), (20, 0), (12, 8)])
def test_at_most_a_share_goes(wanted: int, removed: int):
    changes = a_plan({str(n) for n in range(MIN_KEYS_FOR_SHARE)}, {str(n) for n in range(wanted)})
    assert len(changes.removes) == removed
    assert ("max_removal_share" in str(changes)) == changes.is_failure == (wanted == 9)


def test_a_share_says_nothing_of_a_small_segment():
    held = {str(n) for n in range(MIN_KEYS_FOR_SHARE - 1)}
    assert len(a_plan(held, {"0"}).removes) == MIN_KEYS_FOR_SHARE - 2
    assert a_plan(held, {"0"}, reason="3 of its 9 rows came").removes == []


def test_an_empty_list_empties_only_when_allowed():
    assert a_plan({"a"}, set()).removes == []
    assert "allow_empty_segments" in str(a_plan({"a"}, set()))
    assert a_plan({"a"}, set(), empty=True).removes == ["a"]


def test_the_effect_in_words():
    words = str(a_plan({"a", "b", "c"}, {"b", "d"}, reason="2 of its 3 rows came"))
    assert words == "holds 3 keys; 1 to add, 0 to remove (not removed: 2, because 2 of its 3 rows came)"


def sized(before: int, adds: int, removes: int) -> Plan:
    return Plan(before, [f"a{n}" for n in range(adds)], [f"r{n}" for n in range(removes)], removes)


@settings(deadline=None, max_examples=40)
@given(st.data())
def test_no_call_exceeds_the_limits_or_empties_too_much(data: st.DataObject):
    before = data.draw(st.integers(0, MAX_KEYS_PER_SEGMENT))
    removes = data.draw(st.integers(0, before))
    adds = data.draw(st.integers(0, MAX_KEYS_PER_SEGMENT - before + removes))
    changes = sized(before, adds, removes)
    size, done = before, {"add": [], "remove": []}
    for action, keys in calls(changes):
        assert 0 < len(keys) <= MAX_KEYS_PER_CALL
        size += len(keys) if action == "add" else -len(keys)
        done[action] += keys
        assert size <= MAX_KEYS_PER_SEGMENT
        assert size >= min(before, changes.after) or before == changes.after == MAX_KEYS_PER_SEGMENT
    assert done == {"add": list(changes.adds), "remove": list(changes.removes)}


def test_additions_come_first():
    assert [action for action, _ in calls(sized(50_000, 25_000, 15_000))] == ["add"] * 3 + ["remove"] * 2


def test_a_full_segment_gives_way_for_what_it_takes():
    sizes = [(action, len(keys)) for action, keys in calls(sized(95_000, 10_000, 10_000))]
    assert sizes == [("add", 5_000), ("remove", 5_000), ("add", 5_000), ("remove", 5_000)]


def test_a_segment_full_before_and_after_must_give_way_first():
    sizes = [(action, len(keys)) for action, keys in calls(sized(100_000, 12_000, 12_000))]
    assert sizes == [("remove", 10_000), ("add", 10_000), ("remove", 2_000), ("add", 2_000)]


NAME = ListName("amp_c", "amp_c_c1", "cohort 'c'", "")


def members(rows: int, size: int | None, **how: Any) -> MemberList:
    one = MemberList("cohort_members", "c1", NAME, **how)
    for number in range(rows):
        one.add(f"u{number}", number, size)
    return one


@pytest.mark.parametrize(
    ("value", "size"),
    [(5, 5), ("5", 5), (" 5 ", 5), (5.0, 5), ("5.0", 5), (5.5, None), ("x", None), (True, None), (None, None)],
)
def test_the_size_that_a_row_names(value: Any, size: int | None):
    assert size_of(value) == size


def test_the_proof_of_a_complete_list():
    assert members(3, 3).incomplete_reason is None
    assert members(2, 3).incomplete_reason == "2 of its 3 rows came"
    assert members(2, 3, is_closed=True).incomplete_reason == "2 of its 3 rows came"
    assert members(4, 3).incomplete_reason is not None
    assert members(3, None).incomplete_reason == "nothing said that the list is complete"
    assert members(3, None, is_closed=True).incomplete_reason is None
    assert members(3, None, is_closed=True, dropped=1).incomplete_reason is not None


def test_the_end_of_the_stream_delivers_a_list_unless_its_size_says_otherwise():
    assert members(3, None, is_closed=True).is_delivered
    assert members(3, None, is_closed=True, dropped=1).is_delivered
    assert members(2, 3, is_closed=True, dropped=1).is_delivered
    assert not members(2, 3, is_closed=True).is_delivered
    assert not members(1, 3, is_closed=True, dropped=1).is_delivered
    assert not members(4, 3, is_closed=True, dropped=1).is_delivered
    assert not members(2, 3, dropped=1).is_delivered
    disputed = members(2, 3, is_closed=True)
    disputed.add("u2", 2, None)
    assert not disputed.is_delivered


def test_rows_that_come_twice_count_as_the_tap_counted():
    sent_twice, listed_twice, incomplete = members(3, 3), members(2, 3), members(2, 4)
    for one in (sent_twice, listed_twice, incomplete):
        one.add("u0", 0, one.size)
    assert sent_twice.incomplete_reason is None
    assert listed_twice.incomplete_reason is None
    assert incomplete.incomplete_reason == "2 of its 4 rows came"


def test_rows_without_a_user_count():
    one = members(2, 3)
    one.add(None, 99, 3)
    assert one.incomplete_reason is None
    assert len(one.keys) == 2


def test_rows_that_disagree_on_the_size_prove_nothing():
    one = members(2, 3)
    one.add("u9", 9, 2)
    assert one.incomplete_reason is not None


def test_too_many_keys_are_not_kept():
    one = MemberList("cohort_members", "c1", NAME)
    for number in range(MAX_KEYS_PER_SEGMENT + 1):
        one.add(str(number), number, None)
    assert one.is_too_large
    assert not one.keys
