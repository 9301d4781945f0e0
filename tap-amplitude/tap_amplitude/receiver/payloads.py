"""What the receiver makes of a body: a cohort message or a streamed event, stored as it came. Pure.

A stored line is `{"received":MILLISECONDS,"message":BODY}` or `{"received":MILLISECONDS,"event":BODY}`; the reading
side is `files/events.py` and `streams/changes.py`. Sources: https://amplitude.com/docs/data/destination-catalog/webhooks,
https://amplitude.com/docs/data/destination-catalog/cohort-webhooks.
"""

from __future__ import annotations

import json
from typing import Any

import msgspec

from tap_amplitude.common.lenient_json import decoded_values
from tap_amplitude.common.receiver.bodies import InvalidBodyError, Parsed


class Head(msgspec.Struct, gc=False):
    """The members that tell what a body is; the others are skipped."""

    in_cohort: Any = None
    users: msgspec.Raw = msgspec.Raw()
    event_type: Any = None


head_of = msgspec.json.Decoder(Head).decode


def lines_of(body: bytes, received: int) -> Parsed:
    """Return what to store of a body of JSON: one object, several behind one another, or a list of them.

    Raises:
        InvalidBodyError: It holds neither a cohort message nor an event.
    """
    try:
        return Parsed(stored_line(kind_of(head_of(body)), compact(body), received), b"", 1, 0)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        pass
    try:
        values = [one for value in decoded_values(body) for one in (value if isinstance(value, list) else [value])]
    except (ValueError, RecursionError):
        raise InvalidBodyError("not valid JSON") from None
    if not body.strip():
        raise InvalidBodyError("an empty body")
    return lines_of_values(values, received)


def lines_of_values(values: list[Any], received: int) -> Parsed:
    """Return what to store of decoded values; those of no known kind are rejected, unless all are."""
    lines, rejects = [], []
    for value in values:
        text = json.dumps(value, separators=(",", ":")).encode()
        try:
            lines.append(stored_line(kind_of(head_of(text)), text, received))
        except (msgspec.MsgspecError, ValueError, RecursionError) as error:
            rejects.append(
                b'{"received":%d,"reason":%b,"body":%b}\n' % (received, json.dumps(str(error)).encode(), text)
            )
    if rejects and not lines:
        raise InvalidBodyError("neither a cohort message nor an event")
    return Parsed(b"".join(lines), b"".join(rejects), len(lines), len(rejects))


def kind_of(head: Head) -> bytes:
    """Return the member that a body is stored as.

    Raises:
        ValueError: It is neither.
    """
    if head.in_cohort is not None and bytes(head.users).startswith(b"["):
        return b"message"
    if isinstance(head.event_type, str) and head.event_type:
        return b"event"
    raise ValueError("neither a cohort message nor an event")


def compact(text: bytes) -> bytes:
    """Return JSON on one line."""
    text = text.strip()
    return bytes(msgspec.json.format(text, indent=-1)) if b"\n" in text or b"\r" in text else text


def stored_line(kind: bytes, body: bytes, received: int) -> bytes:
    """Return a line of the file. The body is JSON without line feeds."""
    return b'{"received":%d,"%b":%b}\n' % (received, kind, body)
