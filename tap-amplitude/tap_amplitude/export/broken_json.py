"""Lines of JSON with the flaws that real exports may have. Pure."""

from __future__ import annotations

import json

import msgspec

from tap_amplitude.common import lenient_json

# What decoding a line can raise; RecursionError comes of a thousand nested brackets.
BROKEN_LINE = (msgspec.MsgspecError, ValueError, RecursionError)


def with_whole_characters(text: bytes) -> bytes:
    """Return JSON, one line or several, with U+FFFD for broken UTF-8 and half surrogate pairs.

    It is the same object when there are none.
    """
    try:
        text.decode()
    except UnicodeDecodeError:
        text = text.decode(errors="replace").encode()
    return lenient_json.without_halves(text)


def repaired(text: bytes) -> bytes:
    """Return the same, also with null for NaN and Infinity."""
    return lenient_json.without_nan(with_whole_characters(text))


def rewritten(text: bytes) -> bytes:
    """Return JSON that any decoder reads: what is wrong with it costs at most the wrong value (`lenient_json`).

    Raises:
        ValueError, RecursionError: It is not JSON all the same.
    """
    return json.dumps(lenient_json.decoded(text), ensure_ascii=False).encode()
