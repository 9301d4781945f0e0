"""Which properties go out, and under which names."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from target_amplitude.common.record_paths import MappingError
from target_amplitude.mapping.properties import Selection

RECORD: dict[str, Any] = {
    "plan": "gold",
    "email": "x@example.com",
    "empty": None,
    "cart": {"total": 41.9, "items": 3, "coupon": {"code": "A1", "kind": "sale"}},
    "tags": ["a", "b"],
}


@pytest.mark.parametrize(
    ("member", "expected"),
    [
        ({}, {name: value for name, value in RECORD.items() if value is not None}),
        ({"include": []}, {}),
        ({"include": ["p*", "tags"]}, {"plan": "gold", "tags": ["a", "b"]}),
        ({"exclude": ["e*", "cart"]}, {"plan": "gold", "tags": ["a", "b"]}),
        ({"include": ["plan", "email"], "exclude": ["email"]}, {"plan": "gold"}),
        ({"include": ["plan"], "rename": {"plan": "tier", "email": "mail"}}, {"tier": "gold"}),
        ({"include": ["cart.total"]}, {"cart.total": 41.9}),
        ({"include": ["cart.*"]}, {"cart.total": 41.9, "cart.items": 3, "cart.coupon": {"code": "A1", "kind": "sale"}}),
        ({"include": ["cart.coupon.code"], "rename": {"cart.coupon.code": "coupon"}}, {"coupon": "A1"}),
        (
            {"include": ["cart"], "exclude": ["cart.coupon.code", "cart.items"]},
            {"cart": {"total": 41.9, "coupon": {"kind": "sale"}}},
        ),
        (
            {"include": ["cart"], "exclude": ["cart.coupon"], "rename": {"cart.total": "total", "cart": "basket"}},
            {"total": 41.9, "basket": {"items": 3}},
        ),
        (
            {"include": ["cart.*"], "exclude": ["*.code", "cart.items"]},
            {"cart.total": 41.9, "cart.coupon": {"kind": "sale"}},
        ),
        ({"include": ["*"], "exclude": ["cart", "e*"]}, {"plan": "gold", "tags": ["a", "b"]}),
    ],
)
def test_selections(member: dict[str, Any], expected: dict[str, Any]):
    before = {**RECORD, "cart": dict(RECORD["cart"])}
    assert Selection(member)(RECORD) == expected
    assert before == RECORD


def test_names_that_hold_dots_are_quoted():
    record = {"cart.total": 5, "cart": {"a.b": 1}}
    assert Selection({"include": ['"cart.total"'], "rename": {'"cart.total"': "t"}})(record) == {"t": 5}
    assert Selection({"include": ['cart."a.b"']})(record) == {"cart.a.b": 1}


def test_hidden_columns_come_only_when_they_are_asked_for():
    assert "email" not in Selection({}, {"email"})(RECORD)
    assert "email" not in Selection({"exclude": ["plan"]}, {"email"})(RECORD)
    assert "email" in Selection({"include": ["*"]}, {"email"})(RECORD)


@pytest.mark.parametrize(
    ("member", "said"),
    [
        ([], "include"),
        ({"inlcude": []}, "Did you mean 'include'"),
        ({"include": "plan"}, "'include' must be a list"),
        ({"exclude": [1]}, "'exclude' must be a list"),
        ({"rename": {"a": ""}}, "'rename'"),
        ({"rename": ["a"]}, "'rename'"),
    ],
)
def test_what_is_no_selection(member, said: str):
    with pytest.raises(MappingError, match=said):
        Selection(member)


NAMES = st.text(alphabet="abc.", min_size=1, max_size=4)
OBJECTS = st.recursive(
    st.dictionaries(NAMES, st.integers(), max_size=4),
    lambda inner: st.dictionaries(NAMES, inner | st.integers(), max_size=4),
    max_leaves=12,
)


@given(OBJECTS, st.lists(NAMES), st.lists(NAMES))
def test_any_selection_of_any_object(record: dict[str, Any], include: list[str], exclude: list[str]):
    selected = Selection({"include": include, "exclude": exclude})(record)
    for name in selected:
        assert name in include
        assert name not in exclude


def test_open_objects_may_bring_any_number_of_names():
    select = Selection({"include": ["n*"]})
    for number in range(10_000):
        assert select({f"n{number}": 1, f"x{number}": 1}) == {f"n{number}": 1}
    assert len(select._names) <= 4096
