"""Split's limits, and how a value is made to keep them. Pure.

Sources: https://help.split.io/hc/en-us/articles/360020585772-Events (properties, values), the checks that Split's own
SDKs make in `track` (keys), https://docs.split.io/reference (segments).
"""

from __future__ import annotations

import math
from typing import Any

from target_split.common.amounts import number_in
from target_split.common.number_ids import LOST_DIGITS, has_lost_digits, whole_text

MAX_KEY_LENGTH = 250
# What is cut off both ends of a key: blanks, and characters that nobody sees, which pasted texts bring along.
BLANKS = " \u200b\u200c\u200d\u2060\ufeff"
# What decoders put in the place of what they cannot read. Keys that hold it collide, and no SDK evaluates them.
REPLACEMENT = "\ufffd"
MAX_PROPERTIES = 300
MAX_PROPERTY_LENGTH = 256
# The whole of an event's properties, of which Split takes 1,024 bytes for the event itself.
MAX_PROPERTIES_BYTES = 32_768 - 1_024
NUMBER_BYTES = 8

# "Keep payloads under 1 MB"; 5,000 is what Split's own SDKs send at most.
MAX_REQUEST_BYTES = 1_000_000
MAX_REQUEST_EVENTS = 5_000

# Properties are Long or Double.
SMALLEST_LONG, LARGEST_LONG = -(2**63), 2**63 - 1

# https://docs.split.io/reference/update-segment-keys-in-environment-via-json
MAX_KEYS_PER_CALL = 10_000
MAX_KEYS_PER_SEGMENT = 100_000


class InvalidKeyError(ValueError):
    """What stands where a key should be is none. The message is a reason, without the value."""


def clean_key(value: Any) -> str | None:
    """Return a key as well-formed text, without spaces around it; None where there is none.

    Raises:
        InvalidKeyError: It is neither text nor a whole number.
    """
    if isinstance(value, str):
        text = value.strip()
        return (text if text.isascii() else well_formed(text.strip(BLANKS))) or None
    if value is None:
        return None
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if isinstance(value, float) and (digits := whole_text(value)):
        return digits
    raise InvalidKeyError("a key that is neither text nor a whole number")


def key_problem(key: str) -> str | None:
    """Return why Split cannot take a key, as `clean_key` returns it; None when it can."""
    if len(key) > MAX_KEY_LENGTH:
        return f"a key over {MAX_KEY_LENGTH} characters"
    if not key.isascii() and REPLACEMENT in key:
        return "a key that is not valid Unicode"
    return f"a key {LOST_DIGITS}" if has_lost_digits(key) else None


def well_formed(text: str) -> str:
    """Return a text that can be written in UTF-8: pairs of surrogates joined, single ones made U+FFFD."""
    return text if text.isascii() else text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def number(value: Any) -> int | float | None:
    """Return an event's value: a finite number, also one written as text (`12,50 EUR` too); None for anything else."""
    if isinstance(value, str):
        value = number_in(value)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    if isinstance(value, int):
        return value if SMALLEST_LONG <= value <= LARGEST_LONG else None
    return value if math.isfinite(value) else None


def properties_bytes(properties: dict[str, Any]) -> int:
    """Return the size that Split counts for properties: names and texts in UTF-8, numbers as eight bytes."""
    return sum(property_bytes(name, value) for name, value in properties.items())


def property_bytes(name: str, value: Any) -> int:
    """Return the size that Split counts for one property."""
    size = len(name.encode("utf-8", "surrogatepass"))
    return size + (len(value.encode("utf-8", "surrogatepass")) if isinstance(value, str) else NUMBER_BYTES)


def trimmed(properties: dict[str, Any]) -> dict[str, Any]:
    """Return the properties, in order, that fit into an event; those that would exceed the size are left out."""
    kept: dict[str, Any] = {}
    room = MAX_PROPERTIES_BYTES
    for name, value in properties.items():
        size = property_bytes(name, value)
        if size <= room:
            kept[name] = value
            room -= size
    return kept
