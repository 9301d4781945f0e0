"""Request bodies: decompressed within a limit, and what a connector makes of them. Pure."""

from __future__ import annotations

import zlib
from typing import NamedTuple

GZIP_MAGIC, ZLIB_MAGIC = b"\x1f\x8b", b"\x78"
GZIP_WINDOW, ZLIB_WINDOW, RAW_DEFLATE_WINDOW = 16 + zlib.MAX_WBITS, zlib.MAX_WBITS, -zlib.MAX_WBITS


class InvalidBodyError(ValueError):
    """A body that holds nothing to store. The message is a reason without data, fit for a log and an answer."""


class BodyTooLargeError(ValueError):
    """The body exceeds the limit, as sent or decompressed."""


class Parsed(NamedTuple):
    """What of a body is to be stored: JSON lines of its records and of its rejects, and how many there are of each."""

    lines: bytes
    rejects: bytes
    accepted: int
    rejected: int


def decompress(body: bytes, limit: int, encoding: str = "") -> bytes:
    """Return a body decompressed if it is gzip or deflate; its first bytes tell, since not every sender says so.

    Args:
        body: As it was sent.
        limit: The most bytes that may come out; never more than that is held.
        encoding: The header `Content-Encoding`, which alone tells deflate without a zlib header.

    Raises:
        BodyTooLargeError: More than `limit` bytes come out.
        InvalidBodyError: It is cut off or damaged.
    """
    window = window_of(body, encoding)
    if window is None:
        if len(body) > limit:
            raise BodyTooLargeError
        return body
    pieces, size, rest = [], 0, body
    try:
        while rest:
            inflate = zlib.decompressobj(window)
            pieces.append(inflate.decompress(rest, limit - size + 1))
            size += len(pieces[-1])
            if size > limit:
                raise BodyTooLargeError
            if not inflate.eof:
                raise InvalidBodyError("compressed data that is cut off")
            rest = inflate.unused_data
    except zlib.error:
        raise InvalidBodyError("damaged compressed data") from None
    return b"".join(pieces)


def window_of(body: bytes, encoding: str) -> int | None:
    """Return zlib's window parameter for a body, or None when it is not compressed."""
    if body.startswith(GZIP_MAGIC):
        return GZIP_WINDOW
    if body[:1] == ZLIB_MAGIC and not int.from_bytes(body[:2], "big") % 31:  # RFC 1950; no JSON begins so
        return ZLIB_WINDOW
    return RAW_DEFLATE_WINDOW if body and encoding.strip().lower() == "deflate" else None
