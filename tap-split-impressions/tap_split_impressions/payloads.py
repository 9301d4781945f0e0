"""What the receiver makes of a body: lines to store as they came, and what is no impression apart. Pure.

A stored line is `{"received":MILLISECONDS,"batch":BODY}`; the reading side is `readers/json_text.py`.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import Any, NamedTuple

import msgspec

from tap_split_impressions.impressions import Item, NotAnImpression, items_of, rfc3339

GZIP_MAGIC = b"\x1f\x8b"
GZIP_WINDOW = 16 + zlib.MAX_WBITS
LINE_ITEMS = 1000  # a larger batch is stored in several lines, so that a reader's memory stays small

_webhook = msgspec.json.Decoder(list[Item])
_elements = msgspec.json.Decoder(list[msgspec.Raw])
_anything = msgspec.json.Decoder()
_encode = msgspec.json.Encoder().encode


class TooLarge(ValueError):  # noqa: N818  (it names what was found)
    """The body is larger than allowed, as sent or unzipped."""


class Lines(NamedTuple):
    """What of a body is to be stored."""

    lines: bytes
    rejects: bytes
    accepted: int
    rejected: int


def unzipped(body: bytes, limit: int) -> bytes:
    """Return the body, unzipped if it is gzip; Split does not say so in a header, so its first bytes tell.

    Raises:
        TooLarge: When more than `limit` bytes come out; no more than that is ever held.
        NotAnImpression: When it is no complete gzip.
    """
    if not body.startswith(GZIP_MAGIC):
        return body
    pieces, size, rest = [], 0, body
    try:
        while rest:
            inflate = zlib.decompressobj(GZIP_WINDOW)
            pieces.append(inflate.decompress(rest, limit - size + 1))
            size += len(pieces[-1])
            if size > limit:
                raise TooLarge
            if not inflate.eof:
                raise NotAnImpression("gzip that is cut")
            rest = inflate.unused_data
    except zlib.error:
        raise NotAnImpression("damaged gzip") from None
    return b"".join(pieces)


def lines_of(body: bytes, received: int) -> Lines:
    """Return what to store of an unzipped body.

    Args:
        body: JSON in any of the shapes that `impressions.items_of` knows.
        received: When it came, in milliseconds since 1970.

    Raises:
        NotAnImpression: When it holds nothing that is an impression. An empty batch is none, and no fault.
    """
    try:
        count = len(_webhook.decode(body))
    except (msgspec.DecodeError, UnicodeDecodeError):
        return lines_of_any(body, received)
    if count > LINE_ITEMS:
        return lines_of_elements(_elements.decode(body), received, 0, b"")
    return Lines(stored_line(compact(body), received) if count else b"", b"", count, 0)


def lines_of_any(body: bytes, received: int) -> Lines:
    """Return what to store of a body that is not the webhook's, or has an item that is no impression."""
    try:
        decoded = _anything.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise NotAnImpression("no JSON") from None
    if not isinstance(decoded, list):
        decoded = list(single_objects(decoded))
        elements = [msgspec.Raw(_encode(element)) for element in decoded]
    else:
        elements = _elements.decode(body)
    good, rejects, rejected = [], [], 0
    for element, value in zip(elements, decoded, strict=True):
        reasons = [str(row) for row in items_of(value) if isinstance(row, NotAnImpression)]
        if reasons:
            rejected += 1
            rejects.append(
                _encode({"time": rfc3339(received), "reason": reasons[0], "item": msgspec.Raw(compact(bytes(element)))})
            )
        else:
            good.append(element)
    if rejects and not good:
        raise NotAnImpression(f"no impression among {rejected} items ({reasons[0]})")
    return lines_of_elements(good, received, rejected, b"".join(reject + b"\n" for reject in rejects))


def lines_of_elements(elements: list[msgspec.Raw], received: int, rejected: int, rejects: bytes) -> Lines:
    """Return stored lines of elements that are each some JSON, so many to a line."""
    lines = b"".join(
        stored_line(compact(b"[" + b",".join(map(bytes, elements[start : start + LINE_ITEMS])) + b"]"), received)
        for start in range(0, len(elements), LINE_ITEMS)
    )
    return Lines(lines, rejects, len(elements), rejected)


def single_objects(body: Any) -> Iterator[Any]:
    """Yield the parts of an object that can be good or bad each on their own.

    An `impressions` object becomes one for each key impression, with what stands around them.

    Raises:
        NotAnImpression: When it is neither that nor an object at all.
    """
    if not isinstance(body, dict) or not body:
        raise NotAnImpression("neither a list nor an object of impressions")
    if not isinstance(body.get("impressions"), list):
        yield body
        return
    context = {name: value for name, value in body.items() if name != "impressions"}
    for group in body["impressions"]:
        if isinstance(group, dict) and isinstance(group.get("keyImpressions"), list):
            shared = context | {name: value for name, value in group.items() if name != "keyImpressions"}
            for member in group["keyImpressions"]:
                yield {**shared, **member} if isinstance(member, dict) else member
        else:
            yield {**context, **group} if isinstance(group, dict) else group


def compact(text: bytes) -> bytes:
    """Return JSON on one line."""
    return bytes(msgspec.json.format(text, indent=-1)) if b"\n" in text or b"\r" in text else text


def stored_line(batch: bytes, received: int) -> bytes:
    """Return a line of the file. The batch is a JSON list without line feeds."""
    return b'{"received":%d,"batch":%b}\n' % (received, batch)
