"""JSON as others write it: what is wrong with a document costs at most the wrong value. Pure.

| found | becomes |
| --- | --- |
| byte order mark, UTF-16 or UTF-32 told by it | read |
| bytes that are not UTF-8, half a surrogate pair (a text cut in the middle of an emoji) | U+FFFD |
| NaN, Infinity, 1e999, an integer of thousands of digits | null |
| a raw control character in a text | that character |
| a comma before `]` or `}` | nothing |
| several values one behind another (`decoded_values`), with or without commas, blank lines | each of them |
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from typing import Any

import msgspec

_strictly = msgspec.json.Decoder().decode

# A string, to be kept; or a comma that nothing follows.
TRAILING_COMMA = re.compile(r'("(?:[^"\\]|\\.)*")|,(?=\s*[\]}])', re.DOTALL)
BETWEEN_VALUES = re.compile(r"[\s,]*")
MAX_DIGITS = 400


def decoded(text: bytes) -> Any:
    """Return a JSON value, read leniently.

    Raises:
        ValueError: It is not JSON all the same.
    """
    try:
        return _strictly(text)
    except (ValueError, RecursionError):
        values = list(decoded_values(text))
    if len(values) != 1:
        raise ValueError("not one JSON value")
    return values[0]


def decoded_values(text: bytes) -> Iterator[Any]:
    """Yield the JSON values that stand one behind another, read leniently.

    Raises:
        ValueError: What comes next is not JSON.
    """
    plain = text.decode(json.detect_encoding(text), "replace")
    if "," in plain:
        plain = TRAILING_COMMA.sub(lambda match: match[1] or "", plain)
    end = len(plain)
    position = _skip(plain, 0)
    while position < end:
        try:
            value, position = _decoder.raw_decode(plain, position)
            value = json.loads(whole(json.dumps(value, ensure_ascii=False)))
        except RecursionError:
            raise ValueError("nested too deeply") from None
        yield value
        position = _skip(plain, position)


def _skip(text: str, position: int) -> int:
    match = BETWEEN_VALUES.match(text, position)
    return match.end() if match else position


def whole(text: str) -> str:
    """Return a text with U+FFFD in place of each half of a surrogate pair, so that it can be written."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _finite(text: str) -> float | None:
    number = float(text)
    return number if math.isfinite(number) else None


def _integer(text: str) -> int | None:
    return int(text) if len(text) <= MAX_DIGITS else None


_decoder = json.JSONDecoder(parse_constant=lambda _: None, parse_float=_finite, parse_int=_integer, strict=False)
