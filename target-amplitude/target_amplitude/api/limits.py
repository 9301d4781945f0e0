"""What Amplitude accepts: ids, names, texts, numbers, depth. Pure.

Everything that would be refused or silently spoilt is mended here, and each mending has a reason that is counted; what
cannot be mended raises `Unusable`. Sections named below are those of Amplitude's HTTP V2 API page
(https://amplitude.com/docs/apis/analytics/http-v2) unless another page is given.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from typing import Any

# "String length: 1,024 characters", HTTP V2, limits; longer texts are cut by Amplitude without a word.
MAX_TEXT = 1024
# "Object depth", HTTP V2, limits.
MAX_DEPTH = 40
# Not stated by the API pages; the official SDKs keep no more (MAX_PROPERTY_KEYS in Amplitude-Python).
MAX_PROPERTIES = 1024
# "groups": 5 group types and 10 group values an event, HTTP V2, event keys.
MAX_GROUP_TYPES = 5
MAX_GROUP_VALUES = 10
# Java's long, which the ids and times of the exports fit into; nothing says what becomes of a larger number.
SMALLEST_INTEGER, LARGEST_INTEGER = -(2**63), 2**63 - 1
# No bound is documented. Before 1970 the unit of a number is a guess; after the year 9999 no calendar reaches.
LATEST_TIME = 253_402_300_799_999

# HTTP V2, "Device IDs and User IDs that return a 400 error"; compared trimmed and without case, as was observed.
FORBIDDEN_IDS = frozenset(
    [
        "anonymous",
        "nil",
        "none",
        "null",
        "n/a",
        "na",
        "undefined",
        "unknown",
        "",
        "00000000-0000-0000-0000-000000000000",
        "{}",
        "lmy47d",
        "0",
        "-1",
    ]
)
# HTTP V2, "event_type" cannot be one of the reserved names.
RESERVED_EVENT_TYPES = frozenset(
    {
        "[Amplitude] Start Session",
        "[Amplitude] End Session",
        "[Amplitude] Revenue",
        "[Amplitude] Revenue (Verified)",
        "[Amplitude] Revenue (Unverified)",
        "[Amplitude] Merged User",
    }
)
# User property operations, Identify API; $clearAll is sent by the official SDKs alone.
OPERATIONS = (
    "$set",
    "$setOnce",
    "$add",
    "$append",
    "$prepend",
    "$preInsert",
    "$postInsert",
    "$remove",
    "$unset",
    "$clearAll",
)

# Those that the Group Identify API knows: https://amplitude.com/docs/apis/analytics/group-identify
GROUP_OPERATIONS = frozenset({"$set", "$setOnce", "$add", "$append", "$prepend", "$unset"})

SURROGATE = re.compile("[\ud800-\udfff]")
REPLACEMENT = "\ufffd"

# What was mended, as counted in the summary.
LONG_TEXT = "text over 1,024 characters"
LONE_SURROGATE = "text that is no Unicode"
NOT_FINITE = "number that is not finite"
LARGE_INTEGER = "integer beyond 64 bits"
TOO_DEEP = "object over 40 levels deep"
TOO_MANY = "more than 1,024 properties"
EMPTY_NAME = "property without a name"
NO_NUMBER = "value that is no number"
TOO_MANY_GROUPS = "more groups than 5 types and 10 values"
WRONG_TYPE = "value of a type that its place cannot hold"
RESERVED_NAME = "user property that begins with $"

Count = Callable[[str], None]


class Unusable(Exception):  # noqa: N818  # a record, not an error
    """A record that can never be delivered; the message says why, without any of its values."""


def id_problem(text: str, shortest: int) -> str:
    """Return why Amplitude would refuse an id, or an empty text.

    Args:
        text: A user or device id.
        shortest: Fewest characters, `min_id_length` of the request.
    """
    if text.strip().lower() in FORBIDDEN_IDS:
        return "an id that Amplitude forbids"
    if len(text) < shortest:
        return f"an id shorter than {shortest} characters"
    if len(text) > MAX_TEXT:
        return "an id over 1,024 characters"
    if not text.isascii() and SURROGATE.search(text):
        return "an id that is no Unicode"
    return ""


def id_text(value: Any) -> str | None:
    """Return an id as text: Amplitude loses events whose ids are numbers. None when there is none.

    Raises:
        Unusable: It is neither text nor a whole number.
    """
    if value is None:
        return None
    if isinstance(value, str):
        return value if value.strip() else None
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    raise Unusable("an id that is neither text nor a whole number")


def event_type(value: Any, count: Count) -> str:
    """Return a usable event type.

    Raises:
        Unusable: It is empty, no text, or reserved.
    """
    if not isinstance(value, str) or not value.strip():
        raise Unusable("no event type")
    if value in RESERVED_EVENT_TYPES:
        raise Unusable("an event type that Amplitude reserves")
    return clean_text(value, count)


def whole_unicode(text: str, count: Count) -> str:
    """Return a text without lone surrogates, which no JSON can carry."""
    if not text.isascii() and SURROGATE.search(text):
        count(LONE_SURROGATE)
        return SURROGATE.sub(REPLACEMENT, text)
    return text


def clean_text(text: str, count: Count) -> str:
    """Return a text that Amplitude keeps whole."""
    text = whole_unicode(text, count)
    if len(text) > MAX_TEXT:
        count(LONG_TEXT)
        text = text[:MAX_TEXT]
    return text


def is_plain(properties: Mapping[str, Any]) -> bool:
    """Whether properties are surely fine: few, flat, short, finite. A fast check before `clean_properties`.

    Lone surrogates are not looked for: encoding finds them.
    """
    if len(properties) > MAX_PROPERTIES or "" in properties:
        return False
    for value in properties.values():
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
        elif kind is not bool and value is not None:
            return False
    return True


def clean_properties(properties: Mapping[str, Any], count: Count, depth: int = 1) -> dict[str, Any]:
    """Return properties within all limits.

    Args:
        properties: Any JSON object.
        count: Called with the reason of each mending.
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
            cleaned[whole_unicode(name, count)] = clean_value(value, count, depth)
    return cleaned


def clean_value(value: Any, count: Count, depth: int) -> Any:  # noqa: PLR0911  # one return a type
    """Return a JSON value within the limits; objects and lists below level 40 become null.

    Args:
        value: Any JSON value.
        count: Called with the reason of each mending.
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
    """Return a number; a text that writes one is read, anything else is left out and counted."""
    if isinstance(value, str):
        try:
            value = int(value) if value.strip().lstrip("+-").isdecimal() else float(value)
        except ValueError:
            value = None
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        count(NO_NUMBER)
    elif isinstance(value, float) and not math.isfinite(value):
        count(NOT_FINITE)
    elif isinstance(value, int) and not SMALLEST_INTEGER <= value <= LARGEST_INTEGER:
        count(LARGE_INTEGER)
    else:
        return value
    return None


def whole_number(value: Any, count: Count) -> int | None:
    """Return a whole number of 64 bits; anything else is left out and counted."""
    parsed = number(value, count)
    if parsed is None:
        return None
    if parsed != int(parsed) or not SMALLEST_INTEGER <= int(parsed) <= LARGEST_INTEGER:
        count(NO_NUMBER)
        return None
    return int(parsed)


def group_values(groups: Any, count: Count) -> dict[str, str | list[str]]:
    """Return an event's groups as texts within the limits; empty ones are left out."""
    if not isinstance(groups, dict):
        if groups is not None:
            count(WRONG_TYPE)
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
