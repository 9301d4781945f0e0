"""A file as a listing shows it, what its name says, and short hashes that stand for files. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from fnmatch import fnmatch
from hashlib import blake2b
from typing import NamedTuple

IDENTITY_BYTES = 7  # of 1,000 new files in an hour, one would be taken for another once in 8 million years

# The receiver's sealed files get their name by a rename, or are one PUT, so they are complete from the start.
SEALED = re.compile(r"[a-z]+(-[a-z]+)*-\d{8}T\d{6}Z-[0-9a-f]+-\d+\.jsonl")
OPEN_SUFFIX = ".open"  # being written by a receiver, which holds a lock on it
REJECTS_SUFFIX = ".rejects"

# Spark puts `_SUCCESS` and `_committed_…` beside its data; programs that copy hide what is not complete behind a dot.
# https://developer.harness.io/docs/feature-management-experimentation/integrations/amazon-s3
HIDDEN_PREFIXES = ("_", ".")
# Checksums and unfinished downloads or copies: companions of data, never data.
COMPANION_SUFFIXES = (
    *(".crc", ".md5", ".sha1", ".sha256", ".sha512", ".sig", ".asc"),
    *(".tmp", ".temp", ".part", ".partial", ".crdownload", ".filepart", ".swp", "~"),
    *(".bak", ".lock", ".success", ".ds_store"),
)


class File(NamedTuple):
    """A file as the listing shows it. Times are seconds since 1970 by the storage's clock."""

    path: str  # below the folder
    size: int
    arrived: float
    modified: float
    content: str | None = None  # a checksum of the content, where the storage lists one
    inode: int = 0  # on a local disk
    directory: int = 0  # the inode of the directory it lies in, on a local disk


def is_sealed(path: str) -> bool:
    """Whether a receiver gave this name, which it gives to complete files only."""
    return bool(SEALED.fullmatch(path.rpartition("/")[2]))


def is_data(path: str, ignore: Iterable[str] = ()) -> bool:
    """Whether a file (its path below the folder) may hold data: not hidden, not a companion of data, not ignored.

    The globs in `ignore` are matched against the path and against the name alone.
    """
    parts = path.strip("/").split("/")
    name = parts[-1].lower()
    if name.endswith((REJECTS_SUFFIX, OPEN_SUFFIX, *COMPANION_SUFFIXES)):
        return False
    if any(part.startswith(HIDDEN_PREFIXES) for part in parts):
        return False
    return not any(fnmatch(path, glob) or fnmatch(parts[-1], glob) for glob in ignore)


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
