"""Amplitude's documented limits, and the checks of ids and event types. Pure.

Sections named below are those of the HTTP V2 API page (https://amplitude.com/docs/apis/analytics/http-v2) unless
another page is given. Values that can be brought within the limits are changed in `coerce`.
"""

from __future__ import annotations

import re
from typing import Any

from target_amplitude.api.outcomes import Rejected
from target_amplitude.common.number_ids import LOST_DIGITS, has_lost_digits, whole_text

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
# In ids also what decoders put in the place of bytes they cannot read: two damaged ids must not become one user.
DAMAGED = re.compile("[\ud800-\udfff\ufffd]")
# Characters that nobody sees: zero-width spaces and joiners, directional marks, the byte order mark.
INVISIBLE = "\u00ad\u200b\u200c\u200d\u200e\u200f\u2060\ufeff"

LONG_TEXT = "text over 1,024 characters"


def visible(text: str) -> str:
    """Return a text without blanks and invisible characters around it."""
    text = text.strip()
    if text.isascii():
        return text
    while (stripped := text.strip(INVISIBLE).strip()) != text:
        text = stripped
    return text


def id_problem(text: str, shortest: int) -> str:
    """Return why Amplitude would refuse an id; an empty text when it would not.

    Args:
        text: A user or device id.
        shortest: Fewest characters, `min_id_length` of the request.
    """
    if visible(text).lower() in FORBIDDEN_IDS:
        return "an id that Amplitude forbids"
    if len(text) < shortest:
        return f"an id shorter than {shortest} characters"
    if len(text) > MAX_TEXT:
        return "an id over 1,024 characters"
    if not text.isascii() and DAMAGED.search(text):
        return "an id that is not valid Unicode"
    return f"an id {LOST_DIGITS}" if has_lost_digits(text) else ""


def id_text(value: Any) -> str | None:
    """Return an id as text: Amplitude loses events whose ids are numbers. None for a missing or blank id.

    Raises:
        Rejected: The value is neither text nor a whole number.
    """
    if value is None:
        return None
    if isinstance(value, str):
        return value if visible(value) else None
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if isinstance(value, float) and (text := whole_text(value)):
        return text
    raise Rejected("an id that is neither text nor a whole number")


def event_type_problem(value: Any) -> str:
    """Return why Amplitude would refuse an event type; an empty text when it would not."""
    if not isinstance(value, str) or not visible(value):
        return "no event type"
    if value in RESERVED_EVENT_TYPES:
        return "an event type that Amplitude reserves"
    return ""
