"""JSON that others got slightly wrong costs at most the wrong value."""

from __future__ import annotations

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.lenient_json import decoded, decoded_values, repaired, whole

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=15,
)


@given(VALUES)
def test_good_json_stays_as_it_is(value):
    assert decoded(json.dumps(value).encode()) == json.loads(whole(json.dumps(value)))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b'\xef\xbb\xbf{"a": 1}', {"a": 1}),
        ('{"a": "é"}'.encode("utf-16"), {"a": "é"}),
        (b'{"a": "\xff"}', {"a": "\ufffd"}),
        (rb'{"a": "\ud83d"}', {"a": "\ufffd"}),
        (b'{"a": NaN, "b": -Infinity, "c": 1e999, "d": 1}', {"a": None, "b": None, "c": None, "d": 1}),
        (b'{"a": ' + b"9" * 5000 + b', "b": 1}', {"a": None, "b": 1}),
        (b'{"a": "one\ttwo\x01"}', {"a": "one\ttwo\x01"}),
        (b'{"a": [1, 2, ], }', {"a": [1, 2]}),
        (b'{"a": ",]", "b": "\\",}",}', {"a": ",]", "b": '",}'}),
        (b'\n\n {"a": 1}\n', {"a": 1}),
        (b'{"a": 1},', {"a": 1}),
    ],
)
def test_what_is_wrong_costs_at_most_that_value(text: bytes, expected):
    assert decoded(text) == expected


@pytest.mark.parametrize("text", [b"", b"{", b'{"a" 1}', b"[1, 2", b'{"a": 1} {"b": 2}', b"nonsense", b"[" * 100_000])
def test_what_is_not_json_is_refused(text: bytes):
    with pytest.raises(ValueError):
        decoded(text)


@pytest.mark.parametrize("between", [b"", b"\n", b"\n\n  ", b",\n", b" , "])
def test_values_one_behind_another(between: bytes):
    values = [{"a": 1}, {"b": [2, "}{"]}, {}]
    assert list(decoded_values(between.join(json.dumps(value).encode() for value in values))) == values


def test_values_before_damage_are_read():
    values = decoded_values(b'{"a": 1}\n{"b": ')
    assert next(values) == {"a": 1}
    with pytest.raises(ValueError):
        next(values)


@given(st.binary() | st.text().map(lambda text: text.encode("utf-8", "surrogatepass")))
def test_nothing_else_than_value_error(text: bytes):
    with contextlib.suppress(ValueError):
        json.dumps(decoded(text), allow_nan=False).encode()


TEXTS = st.text(st.sampled_from(['"', "\\", "u", "N", "a", "I", "\ud83d", "\ude00", "é", "\n"])) | st.sampled_from(
    ["NaN", "-Infinity,", '":NaN,"', "\\ud83d", "\\\\ude00"]
)
NUMBERS = st.sampled_from([float("nan"), float("inf"), -float("inf"), 1.5])
ODD_VALUES = st.recursive(
    TEXTS | NUMBERS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS.map(whole), inner, max_size=4),
    max_leaves=8,
)


@given(st.lists(ODD_VALUES, min_size=1, max_size=4))
def test_a_repair_of_lines_is_the_lenient_reading_of_each(values: list[object]):
    lines = [json.dumps(value).encode() for value in values]
    found = repaired(b"\n".join(lines)).split(b"\n")
    assert [json.loads(line, parse_constant=pytest.fail) for line in found] == [
        next(decoded_values(line)) for line in lines
    ]


@pytest.mark.parametrize(
    "text", [b'{"a": 1}', rb'{"a": "\ud83d\ude00"}', rb'{"a": "\\ud83d NaN"}', b'["NaN","Infinity"]']
)
def test_what_needs_no_repair_stays_the_same_object(text: bytes):
    assert repaired(text) is text
