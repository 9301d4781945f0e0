"""What the name of a file in a folder says about it. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from fnmatch import fnmatch

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
