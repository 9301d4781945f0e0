"""Lines of JSON with the flaws that real exports may have. Pure."""

from __future__ import annotations

import json
import re

import msgspec

from tap_amplitude.common.lenient_json import decoded

# What decoding a line can raise; RecursionError comes of a thousand nested brackets.
BROKEN_LINE = (msgspec.MsgspecError, ValueError, RecursionError)
# Half a surrogate pair as a JSON escape. Whether its backslash is itself escaped, the match alone does not tell.
HALF_PAIR = re.compile(
    rb"\\u[dD](?:[89abAB][0-9a-fA-F]{2}(?!\\u[dD][c-fC-F])|(?<!\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD])[c-fC-F][0-9a-fA-F]{2})"
)


def repaired(text: bytes) -> bytes:
    """Return JSON with U+FFFD for broken UTF-8 and half surrogate pairs (a text cut in the middle of an emoji)."""
    text = text.decode(errors="replace").encode()

    def replacement(match: re.Match[bytes]) -> bytes:
        before = text[: match.start()]
        escaped = (len(before) - len(before.rstrip(b"\\"))) % 2
        return match[0] if escaped else rb"\ufffd"

    return HALF_PAIR.sub(replacement, text)


def rewritten(text: bytes) -> bytes:
    """Return JSON that any decoder reads: what is wrong with it costs at most the wrong value (`lenient_json`).

    Raises:
        ValueError, RecursionError: It is not JSON all the same.
    """
    return json.dumps(decoded(text), ensure_ascii=False).encode()
