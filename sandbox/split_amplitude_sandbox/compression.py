"""Compressed bodies."""

from __future__ import annotations

import zlib

GZIP_MAGIC = b"\x1f\x8b"
MAX_UNZIPPED_BYTES = 256_000_000


class TooLargeError(Exception):
    """A body is larger than `MAX_UNZIPPED_BYTES` when decompressed."""


def unzipped(body: bytes) -> bytes:
    """The decompressed body; its first bytes tell whether it is gzip.

    Raises:
        TooLargeError: it is larger than `MAX_UNZIPPED_BYTES`.
        zlib.error: it is damaged.
    """
    if not body.startswith(GZIP_MAGIC):
        return body
    machine = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
    content = machine.decompress(body, MAX_UNZIPPED_BYTES)
    if machine.unconsumed_tail:
        raise TooLargeError
    if not machine.eof:
        raise zlib.error("the gzip stream ends early")
    return content
