"""What the receiver makes of a body: lines to store as they came, and what is no impression apart. Pure.

A stored line is `{"received":MILLISECONDS,"batch":BODY}`; the reading side is `readers/json_text.py`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import msgspec

from tap_split_impressions.common.lenient_json import decoded
from tap_split_impressions.common.receiver.bodies import InvalidBodyError, Parsed
from tap_split_impressions.common.timestamps import rfc3339
from tap_split_impressions.impressions.item import Item, NotAnImpression, items_of

LINE_ITEMS = 1000  # a larger batch is stored in several lines, so that a reader's memory stays small

NOTHING = NotAnImpression("an empty list")

_webhook = msgspec.json.Decoder(list[Item])
_raw_items = msgspec.json.Decoder(list[msgspec.Raw])


def is_payload(value: Any) -> bool:
    """Whether a decoded value is impressions itself, rather than something that holds them in an envelope."""
    return any(isinstance(item, Item) for item in items_of(value))


def lines_of(body: bytes, received: int) -> Parsed:
    """Return what to store of a body.

    Args:
        body: JSON in any of the shapes that `impressions.items_of` knows.
        received: When it came, in milliseconds since 1970.

    Raises:
        InvalidBodyError: It holds nothing that is an impression. An empty batch is valid.
    """
    try:
        count = len(_webhook.decode(body))
    except (ValueError, RecursionError):
        try:
            return lines_of_any(body, received)
        except RecursionError:  # decoders in C may go deeper than what then looks at the value
            raise InvalidBodyError("nested too deeply") from None
    if count > LINE_ITEMS:
        return Parsed(stored_lines([compact(bytes(item)) for item in _raw_items.decode(body)], received), b"", count, 0)
    return Parsed(stored_line(compact(body), received) if count else b"", b"", count, 0)


def lines_of_any(body: bytes, received: int) -> Parsed:
    """Return what to store of a body that is not the webhook's, or has an item that is no impression."""
    try:
        payload = decoded(body)
    except ValueError:
        raise InvalidBodyError("not valid JSON") from None
    if payload == {} or not isinstance(payload, (list, dict)):
        raise InvalidBodyError("neither a list nor an object of impressions")
    good: list[bytes] = []
    rejects: list[bytes] = []
    reason = None
    for part in parts_of(payload):
        rows = list(items_of(part))
        reason = next((row for row in rows if isinstance(row, NotAnImpression)), None if rows else NOTHING)
        if reason is None:
            good.append(encoded(part))
        else:
            rejects.append(encoded({"time": rfc3339(received), "reason": str(reason), "item": part}) + b"\n")
    if rejects and not good:
        raise InvalidBodyError(f"no impressions among {len(rejects)} items, the last {reason}")
    return Parsed(stored_lines(good, received), b"".join(rejects), len(good), len(rejects))


def parts_of(body: Any) -> Iterator[Any]:
    """Yield the parts of a payload that are good or bad each on its own, complete with what stands around them."""
    if isinstance(body, list):
        for element in body:
            yield from parts_of(element)
    elif isinstance(body, dict) and isinstance(body.get("impressions"), list):
        context = without(body, "impressions")
        for group in body["impressions"]:
            yield from parts_of({**context, **group} if isinstance(group, dict) else [group])
    elif isinstance(body, dict) and isinstance(body.get("keyImpressions"), list):
        context = without(body, "keyImpressions")
        for member in body["keyImpressions"]:
            yield {**context, **member} if isinstance(member, dict) else member
    else:
        yield body


def without(body: dict[str, Any], name: str) -> dict[str, Any]:
    """Return an object without one of its members."""
    return {key: value for key, value in body.items() if key != name}


def encoded(value: Any) -> bytes:
    """Return a value as JSON on one line. The standard library writes numbers of any size, unlike msgspec."""
    return json.dumps(value, separators=(",", ":")).encode()


def stored_lines(items: list[bytes], received: int) -> bytes:
    """Return stored lines of items, so many to a line."""
    starts = range(0, len(items), LINE_ITEMS)
    return b"".join(stored_line(b"[%b]" % b",".join(items[at : at + LINE_ITEMS]), received) for at in starts)


def compact(text: bytes) -> bytes:
    """Return JSON on one line."""
    return bytes(msgspec.json.format(text, indent=-1)) if b"\n" in text or b"\r" in text else text


def stored_line(batch: bytes, received: int) -> bytes:
    """Return a line of the file. The batch is a JSON list without line feeds."""
    return b'{"received":%d,"batch":%b}\n' % (received, batch)
