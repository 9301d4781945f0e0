"""JSON as others write it: a byte order mark, half a character, bytes that are no UTF-8 cost no impression. Pure."""

from __future__ import annotations

import json
import math
from typing import Any

import msgspec

_strictly = msgspec.json.Decoder().decode


def decoded(text: bytes) -> Any:
    """Return a JSON value; characters that are broken become U+FFFD, numbers that are too large become null.

    A key that an SDK has cut in the middle of an emoji comes as half a surrogate pair, which strict decoders refuse.

    Raises:
        ValueError: When it is no JSON all the same.
    """
    try:
        return _strictly(text)
    except ValueError:
        value = json.loads(text.decode("utf-8-sig", "replace"), parse_constant=refuse, parse_float=finite)
    return json.loads(whole(json.dumps(value, ensure_ascii=False)))


def whole(text: str) -> str:
    """Return a text with U+FFFD in place of each half of a surrogate pair, so that it can be written."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def finite(text: str) -> float | None:
    """Return a number, or None for one like 1e999, which Python would take for infinity and could not write again."""
    number = float(text)
    return number if math.isfinite(number) else None


def refuse(constant: str) -> None:
    """Refuse NaN and the infinities, which Python's decoder would take.

    Raises:
        ValueError: Always.
    """
    raise ValueError(constant)
