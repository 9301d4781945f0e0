"""Inputs that start from something right, of which a part is replaced by what hypothesis thinks of.

Whatever comes in, a failure is one or more error lines in words and exit code 1; a bug of ours would say "Unexpected".
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from support.processes import Result

quick = settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(10**18, 10**25)
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from(["", " ", "\ud800", "\x00", "null", "*", "[", "a.b", '"', "9" * 400, "2026-03-14", "http://a..b"])
)
NAMES = st.text(max_size=8) | st.sampled_from(["type", "properties", "id", "$ref", "items", "format"])
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=8,
)


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The places in a JSON value at which something can be replaced."""
    yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield from places(inner, (*path, key))


def replaced(value: Any, path: tuple[Any, ...], other: Any) -> Any:
    """A JSON value with something else at one place; `...` removes what is there."""
    if not path:
        return None if other is ... else other
    result = copy.deepcopy(value)
    target = result
    for key in path[:-1]:
        target = target[key]
    if other is ...:
        del target[path[-1]]
    else:
        target[path[-1]] = other
    return result


@st.composite
def disturbed(draw: st.DrawFn, value: Any) -> Any:
    """Something right with one to three places replaced or removed."""
    for _ in range(draw(st.integers(1, 3))):
        path = draw(st.sampled_from(list(places(value))))
        value = replaced(value, path, draw(VALUES | st.just(...)))
        if not isinstance(value, (dict, list)):
            return value
    return value


def assert_in_words(result: Result) -> None:
    """The run ended well, or with errors in words."""
    assert "Unexpected" not in result.stderr, result.stderr
    assert "Traceback" not in result.stderr, result.stderr
    assert result.code in {0, 1, 2}
    if result.code == 1:
        assert "| ERROR" in result.stderr
