"""A file as a listing shows it, and short hashes that stand for files. Pure."""

from __future__ import annotations

from hashlib import blake2b
from typing import NamedTuple

IDENTITY_BYTES = 7  # of 1,000 new files in an hour, one would be taken for another once in 8 million years


class File(NamedTuple):
    """A file as the listing shows it. Times are seconds since 1970 by the storage's clock."""

    path: str  # below the folder
    size: int
    arrived: float
    modified: float
    content: str | None = None  # a checksum of the content, where the storage lists one
    inode: int = 0  # on a local disk
    directory: int = 0  # the inode of the directory it lies in, on a local disk


def identity_of(*parts: str | bytes | float) -> bytes:
    """Return a short hash that stands for the given parts."""
    return digest_of(parts, IDENTITY_BYTES)


def number_of(*parts: str | float) -> int:
    """Return a 64-bit number that stands for the given parts."""
    return int.from_bytes(digest_of(parts, 8), "big")


def digest_of(parts: tuple[str | bytes | float, ...], size: int) -> bytes:
    """Return a hash of so many bytes; no two lists of parts give one input."""
    digest = blake2b(digest_size=size)
    for part in parts:
        text = part if isinstance(part, bytes) else str(part).encode("utf-8", "surrogateescape")
        digest.update(b"%d:" % len(text) + text)
    return digest.digest()
