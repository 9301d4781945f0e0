"""What the receiver makes of a body: lines to store as they came, and what is not an impression apart. Pure.

A stored line is `{"received":MILLISECONDS,"batch":BODY}`; `folder/readers/json_text.py` reads it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import msgspec

from tap_split_impressions.common.lenient_json import decoded_values
from tap_split_impressions.common.receiver.bodies import InvalidBodyError, Parsed
from tap_split_impressions.common.timestamps import rfc3339
from tap_split_impressions.common.words import counted
from tap_split_impressions.impressions.item import Item, NotAnImpression, items_of

LINE_ITEMS = 1000  # a larger batch is stored in several lines, so that a reader's memory stays small
MOST_REJECT_BYTES = 256 * 1024  # of one rejected item; the rest of a larger one is cut off

EMPTY_LIST = NotAnImpression("an empty list")

_items = msgspec.json.Decoder(list[Item])
_item = msgspec.json.Decoder(Item)
_raw_items = msgspec.json.Decoder(list[msgspec.Raw])


def is_payload(value: Any) -> bool:
    """Whether a decoded value is impressions itself, rather than something that holds them in an envelope."""
    return any(isinstance(item, Item) for item in items_of(value))


def lines_of(body: bytes, received: int) -> Parsed:
    """Return what to store of a body.

    Args:
        body: JSON in any of the shapes that `items_of` knows, or several such values behind one another (NDJSON).
        received: When it arrived, in milliseconds since 1970.

    Raises:
        InvalidBodyError: It holds nothing that is an impression. An empty batch is valid.
    """
    try:
        count = len(_items.decode(body))
    except (ValueError, RecursionError):
        return lines_of_any(body, received)
    if count > LINE_ITEMS:
        return Parsed(stored_lines([compact(bytes(item)) for item in _raw_items.decode(body)], received), b"", count, 0)
    return Parsed(stored_line(compact(body), received) if count else b"", b"", count, 0)


def lines_of_any(body: bytes, received: int) -> Parsed:
    """Return what to store of a body that is not the webhook's, or has an item that is not an impression."""
    good: list[bytes] = []
    rejects: list[bytes] = []
    reason: NotAnImpression | None = None
    try:
        for text, part in parts_of_body(body):
            if text is not None:
                good.append(text)
                continue
            rows = list(items_of(part))
            wrong = next((row for row in rows if isinstance(row, NotAnImpression)), None if rows else EMPTY_LIST)
            if wrong is None:
                good.append(encoded(part))
            else:
                reason = wrong
                rejects.append(reject_line(part, wrong, received))
    except RecursionError:  # decoders in C may go deeper than what then looks at the value
        raise InvalidBodyError("nested too deeply") from None
    if reason and not good:
        raise InvalidBodyError(f"no impressions among {counted(len(rejects), 'item')}, the last {reason}")
    return Parsed(stored_lines(good, received), b"".join(rejects), len(good), len(rejects))


def parts_of_body(body: bytes) -> Iterator[tuple[bytes | None, Any]]:
    """Yield the parts of a body that are good or bad each on its own: the text of an item of the webhook, or a value.

    Raises:
        InvalidBodyError: It is not JSON, or not of lists and objects.
    """
    try:
        raw_items = _raw_items.decode(body)
    except (ValueError, RecursionError):
        for value in values_of_body(body):
            for part in parts_of(value):
                yield None, part
        return
    for raw in raw_items:
        try:
            _item.decode(raw)
        except (ValueError, RecursionError):
            for part in parts_of(next(iter(values_of_body(bytes(raw), of_items=True)), None)):
                yield None, part
        else:
            yield compact(bytes(raw)), None


def values_of_body(body: bytes, *, of_items: bool = False) -> list[Any]:
    """Return the JSON values of a body, one or several behind one another.

    Raises:
        InvalidBodyError: It is not JSON, or something else than lists and objects.
    """
    try:
        values = list(decoded_values(body))
    except ValueError:
        raise InvalidBodyError("not valid JSON") from None
    if not of_items and (not values or not all(value != {} and isinstance(value, (list, dict)) for value in values)):
        raise InvalidBodyError("neither a list nor an object of impressions")
    return values


def parts_of(body: Any) -> Iterator[Any]:
    """Yield the parts of a payload that are good or bad each on its own, complete with what stands around them."""
    if isinstance(body, list):
        for element in body:
            yield from parts_of(element)
    elif isinstance(body, dict) and isinstance(body.get("impressions"), list):
        context = _without(body, "impressions")
        for group in body["impressions"]:
            yield from parts_of({**context, **group} if isinstance(group, dict) else [group])
    elif isinstance(body, dict) and isinstance(body.get("keyImpressions"), list):
        context = _without(body, "keyImpressions")
        for member in body["keyImpressions"]:
            yield {**context, **member} if isinstance(member, dict) else member
    else:
        yield body


def _without(body: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in body.items() if key != name}


def encoded(value: Any) -> bytes:
    """Return a value as JSON on one line. The standard library writes numbers of any size, unlike msgspec."""
    return json.dumps(value, separators=(",", ":")).encode()


def reject_line(item: Any, reason: NotAnImpression, received: int) -> bytes:
    """Return the line of a rejected item; one that is too large is kept as the beginning of its text."""
    text = encoded(item)
    if len(text) > MOST_REJECT_BYTES:
        item = text[:MOST_REJECT_BYTES].decode("utf-8", "ignore")
    return encoded({"time": rfc3339(received), "reason": str(reason), "item": item}) + b"\n"


def stored_lines(items: list[bytes], received: int) -> bytes:
    """Return stored lines of items, `LINE_ITEMS` to a line."""
    starts = range(0, len(items), LINE_ITEMS)
    return b"".join(stored_line(b"[%b]" % b",".join(items[at : at + LINE_ITEMS]), received) for at in starts)


def compact(text: bytes) -> bytes:
    """Return JSON on one line."""
    return bytes(msgspec.json.format(text, indent=-1)) if b"\n" in text or b"\r" in text else text


def stored_line(batch: bytes, received: int) -> bytes:
    """Return a line of the file. The batch is a JSON list without line feeds."""
    return b'{"received":%d,"batch":%b}\n' % (received, batch)
