"""Brings values within Amplitude's limits. Pure.

What is too long, too deep or of the wrong type is changed. Each change has a reason, which is passed to a `Count` and
appears in the closing summary.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from target_amplitude.api.limits import (
    LARGEST_INTEGER,
    LONG_TEXT,
    MAX_DEPTH,
    MAX_GROUP_TYPES,
    MAX_GROUP_VALUES,
    MAX_PROPERTIES,
    MAX_TEXT,
    SMALLEST_INTEGER,
    SURROGATE,
)
from target_amplitude.common.amounts import number_in
from target_amplitude.common.record_paths import is_empty, object_in

REPLACEMENT = "\ufffd"

# Reasons, as counted in the summary.
LONE_SURROGATE = "text that is not valid Unicode"
NOT_FINITE = "number that is not finite"
LARGE_INTEGER = "integer beyond 64 bits"
TOO_DEEP = "object nested over 40 levels"
TOO_MANY = "more than 1,024 properties"
EMPTY_NAME = "property without a name"
NOT_A_NUMBER = "value that is not a number"
TOO_MANY_GROUPS = "more groups than 5 types and 10 values"
WRONG_TYPE = "value of the wrong type"
RESERVED_NAME = "user property that begins with $"

Count = Callable[[str], None]


def whole_unicode(text: str, count: Count) -> str:
    """Return a text without lone surrogates, which JSON cannot carry."""
    if not text.isascii() and SURROGATE.search(text):
        count(LONE_SURROGATE)
        return SURROGATE.sub(REPLACEMENT, text)
    return text


def clean_text(text: str, count: Count) -> str:
    """Return a text of at most 1,024 characters of valid Unicode."""
    if len(text) <= MAX_TEXT and text.isascii():
        return text
    text = whole_unicode(text, count)
    if len(text) > MAX_TEXT:
        count(LONG_TEXT)
        text = text[:MAX_TEXT]
    return text


def is_plain(properties: Mapping[str, Any], depth: int = 1) -> bool:
    """Whether properties are surely within the limits, so that `clean_properties` would change nothing. Much faster.

    Lone surrogates are not looked for: encoding finds them.

    Args:
        properties: Any JSON object.
        depth: Levels of objects and lists down to this one, itself included.
    """
    return len(properties) <= MAX_PROPERTIES and "" not in properties and are_plain(properties.values(), depth)


def are_plain(values: Iterable[Any], depth: int) -> bool:  # noqa: C901, PLR0911  # one branch a type, for speed
    """Whether the values in an object or list are surely within the limits."""
    for value in values:
        kind = type(value)
        if kind is str:
            if len(value) > MAX_TEXT:
                return False
        elif kind is int:
            if not SMALLEST_INTEGER <= value <= LARGEST_INTEGER:
                return False
        elif kind is float:
            if not math.isfinite(value):
                return False
        elif kind is dict:
            if depth >= MAX_DEPTH or not is_plain(value, depth + 1):
                return False
        elif kind is list:
            if depth >= MAX_DEPTH or not are_plain(value, depth + 1):
                return False
        elif kind is not bool and value is not None:
            return False
    return True


def clean_properties(properties: Mapping[str, Any], count: Count, depth: int = 1) -> dict[str, Any]:
    """Return properties within all limits.

    Args:
        properties: Any JSON object.
        count: Called with the reason of each change.
        depth: Levels of objects and lists down to this one, itself included.
    """
    cleaned: dict[str, Any] = {}
    for name, value in properties.items():
        if not name:
            count(EMPTY_NAME)
        elif len(cleaned) == MAX_PROPERTIES:
            count(TOO_MANY)
            break
        else:
            if not name.isascii():
                name = whole_unicode(name, count)  # noqa: PLW2901  # the same name
            if type(value) is str and len(value) <= MAX_TEXT and value.isascii():
                cleaned[name] = value
            else:
                cleaned[name] = clean_value(value, count, depth)
    return cleaned


def clean_value(value: Any, count: Count, depth: int) -> Any:  # noqa: PLR0911  # one return a type
    """Return a JSON value within the limits; objects and lists below level 40 become null.

    Args:
        value: Any JSON value.
        count: Called with the reason of each change.
        depth: Levels of objects and lists around the value.
    """
    if isinstance(value, str):
        return clean_text(value, count)
    if isinstance(value, (dict, list)):
        if depth >= MAX_DEPTH:
            count(TOO_DEEP)
            return None
        if isinstance(value, dict):
            return clean_properties(value, count, depth + 1)
        return [clean_value(item, count, depth + 1) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        count(NOT_FINITE)
        return None
    if isinstance(value, int) and not SMALLEST_INTEGER <= value <= LARGEST_INTEGER:
        count(LARGE_INTEGER)
        return str(value)  # exact, where a float would lose digits
    return value


def number(value: Any, count: Count) -> float | None:
    """Return a number, also from a text that writes one (`12,50 EUR` too); anything else is left out and counted."""
    if isinstance(value, str):
        value = number_in(value)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        count(NOT_A_NUMBER)
    elif isinstance(value, float) and not math.isfinite(value):
        count(NOT_FINITE)
    elif isinstance(value, int) and not SMALLEST_INTEGER <= value <= LARGEST_INTEGER:
        count(LARGE_INTEGER)
    else:
        return value
    return None


def whole_number(value: Any, count: Count) -> int | None:
    """Return a whole number of 64 bits; anything else is left out and counted."""
    if type(value) is int and SMALLEST_INTEGER <= value <= LARGEST_INTEGER:
        return value
    parsed = number(value, count)
    if parsed is None:
        return None
    if parsed != int(parsed) or not SMALLEST_INTEGER <= int(parsed) <= LARGEST_INTEGER:
        count(NOT_A_NUMBER)
        return None
    return int(parsed)


def group_values(groups: Any, count: Count) -> dict[str, str | list[str]]:
    """Return an event's groups as texts within the limits; empty ones are left out."""
    if not isinstance(groups, dict) and (given := groups) is not None:
        groups = object_in(given)
        if groups is None and not is_empty(given):
            count(WRONG_TYPE)
    if groups is None:
        return {}
    kept: dict[str, str | list[str]] = {}
    left = MAX_GROUP_VALUES
    for group_type, value in groups.items():
        values = [
            clean_text(item if isinstance(item, str) else str(item), count)
            for item in (value if isinstance(value, list) else [value])
            if item is not None and not isinstance(item, (dict, list)) and str(item).strip()
        ]
        if not values or not group_type.strip():
            continue
        if len(kept) == MAX_GROUP_TYPES or left == 0:
            count(TOO_MANY_GROUPS)
            break
        if len(values) > left:
            count(TOO_MANY_GROUPS)
        kept[clean_text(group_type, count)] = values[0] if len(values) == 1 else values[:left]
        left -= len(values[:left])
    return kept
