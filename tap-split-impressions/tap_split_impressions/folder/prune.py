"""Removes files that have been read, as the taps' states tell."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from tap_split_impressions.common.errors import ConnectorError
from tap_split_impressions.common.folder.bookmark import Bookmark
from tap_split_impressions.common.folder.comparison import compare
from tap_split_impressions.common.folder.file import OPEN_SUFFIX, File
from tap_split_impressions.common.folder.folder import Folder
from tap_split_impressions.common.folder.storage import storage_failures

UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def prune(folder: Folder, states: Iterable[Mapping[str, Any]], older_than: float) -> tuple[int, int]:
    """Remove data files that every given state has passed and that arrived longer ago than so many seconds.

    Files that wait, are half read or damaged stay, and so do `.rejects`, which no tap reads.

    Returns:
        How many files were removed, and how many old ones stay because a state has not passed them.
    """
    listing = folder.listing()
    old = [file for file in listing if file.arrived < time.time() - older_than]
    waiting = {path for state in states for path in unread(folder, listing, state)}
    # What a receiver left open is its own to seal.
    removable = [file for file in old if file.path not in waiting and not file.path.endswith(OPEN_SUFFIX)]
    with storage_failures(folder.path):
        for file in removable:
            folder.files.rm_file(folder.full_path(file))
    return len(removable), len(old) - len(removable)


def unread(folder: Folder, listing: list[File], state: Mapping[str, Any]) -> set[str]:
    """Return the paths of the files that a state has not passed."""
    try:
        bookmark = Bookmark.from_state(dict(state), folder.identity, folder.root)
    except ValueError:
        raise ConnectorError("--state: this is not a state of stream 'impressions'; nothing was removed.") from None
    if bookmark.read_until is None:
        return {file.path for file in listing}
    identities = {waiting.identity for waiting in compare(bookmark, listing).unread}
    return {file.path for file in listing if not bookmark.is_old(file) and folder.identity(file) in identities} | set(
        bookmark.unfinished
    )


def stream_state(path: Path) -> Mapping[str, Any]:
    """Return the state of stream `impressions` from a file: a Singer state, or what `meltano state get` prints.

    Raises:
        ConnectorError: When there is none in it.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        found = content.get("singer_state", content.get("value", content))["bookmarks"]["impressions"]
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        raise ConnectorError(
            f"--state: {path} holds no state of stream 'impressions'; nothing was removed. Give the file that the "
            "pipeline's target wrote, or the output of `meltano state get`."
        ) from None
    return dict(found)


def seconds_of(text: str) -> float:
    """Return an age such as `90s`, `30m`, `12h` or `7d` in seconds.

    Raises:
        ConnectorError: When it is none.
    """
    parts = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([smhd])", text.strip())
    if not parts:
        raise ConnectorError("--older-than must be an age such as 12h or 7d.")
    return float(parts[1]) * UNITS[parts[2]]
