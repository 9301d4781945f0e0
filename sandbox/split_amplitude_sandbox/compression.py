"""Bodies that come compressed."""

from __future__ import annotations

import zlib

GZIP_MAGIC = b"\x1f\x8b"
MAX_UNZIPPED_BYTES = 256_000_000


class TooLargeError(Exception):
    """A body grows over what the sandbox takes into memory."""


def unzipped(body: bytes) -> bytes:
    """A body without its gzip compression, told by its first bytes.

    Raises:
        TooLargeError: it grows over `MAX_UNZIPPED_BYTES`.
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
