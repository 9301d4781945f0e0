"""Lenient JSON: an error in a document costs at most the value that holds it. Pure.

| found | becomes |
| --- | --- |
| byte order mark, UTF-16 or UTF-32 detected from it | read |
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
from itertools import chain
from typing import Any

import msgspec

_strictly = msgspec.json.Decoder().decode

# A string, to be kept; or a comma that nothing follows.
TRAILING_COMMA = re.compile(r'("(?:[^"\\]|\\.)*")|,(?=\s*[\]}])', re.DOTALL)
# What JSON does not allow, but Python's own writer, and so many a program, writes.
NOT_NUMBERS = (re.compile(rb"NaN"), re.compile(rb"Infinity"))  # one expression for both takes ten times as long
ESCAPED = re.compile(rb"\\.", re.DOTALL)
# A surrogate pair as escapes, or half of one. Whether its first backslash is itself escaped, the match alone does not
# tell.
SURROGATES = re.compile(rb"\\u[dD](?:[89abAB]..(?:\\u[dD][c-fC-F]..)?|[c-fC-F]..)")
ESCAPE_BYTES = 6
BETWEEN_VALUES = re.compile(r"[\s,]*")
MAX_DIGITS = 400


def decoded(text: bytes) -> Any:
    """Return a JSON value, read leniently.

    Raises:
        ValueError: It is still not JSON.
    """
    for repair in (bytes, repaired):
        try:
            return _strictly(repair(text))
        except (ValueError, RecursionError):
            continue
    values = list(decoded_values(text))
    if len(values) != 1:
        raise ValueError("not one JSON value")
    return values[0]


def repaired(text: bytes) -> bytes:
    """Return JSON with null in place of NaN and Infinity, and U+FFFD in place of halves of surrogate pairs.

    It costs little. The text may be of several lines; it is the same object when there is nothing to repair.
    """
    return without_nan(without_halves(text))


def without_halves(text: bytes) -> bytes:
    """Return JSON with U+FFFD in place of halves of surrogate pairs; the same object when there are none."""
    fixed = SURROGATES.sub(_without_half, text)
    return text if fixed == text else fixed


def _without_half(surrogates: re.Match[bytes]) -> bytes:
    """Return a match of `SURROGATES` with U+FFFD in place of half of a pair."""
    before = start = surrogates.start()
    while before and surrogates.string[before - 1 : before] == b"\\":
        before -= 1
    found = surrogates[0]
    if (start - before) % 2:  # a text that only looks like the first escape
        return found[:ESCAPE_BYTES] + (rb"\ufffd" if found[ESCAPE_BYTES:] else b"")
    return found if found[ESCAPE_BYTES:] else rb"\ufffd"


def without_nan(text: bytes) -> bytes:
    """Return JSON with null in place of NaN and Infinity outside of texts; the same object when there are none."""
    if b"NaN" not in text and b"Infinity" not in text:
        return text
    quotes = ESCAPED.sub(b"__", text) if b'\\"' in text else text  # as long as the text, without escaped quotes
    pieces, end, is_text = [], 0, False
    for match in sorted(chain(*(word.finditer(quotes) for word in NOT_NUMBERS)), key=re.Match.start):
        start = match.start()
        line = quotes.rfind(b"\n", end, start)  # no text reaches over the end of a line
        is_text = (is_text and line < 0) ^ bool(quotes.count(b'"', max(end, line), start) % 2)
        before = text[end:start]
        pieces += [before, match[0]] if is_text else [before.removesuffix(b"-"), b"null"]
        end = match.end()
    fixed = b"".join((*pieces, text[end:]))
    return text if fixed == text else fixed


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
