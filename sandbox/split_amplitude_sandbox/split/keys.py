"""The keys of segments."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from split_amplitude_sandbox.split.answers import RefusedError
from split_amplitude_sandbox.store import Store

MAX_KEYS_PER_CALL = 10_000
MAX_KEYS_PER_SEGMENT = 100_000
KEYS_PAGE = 100
"""Keys in a page, by default and at most."""


class KeyChange(msgspec.Struct, kw_only=True):
    """Keys to add or to remove, and why; some workspaces demand both reasons."""

    keys: list[str]
    title: str | None = None
    comment: str | None = None


def check_change(workspace: dict[str, Any], change: KeyChange, *, may_be_empty: bool = False) -> None:
    """Answer 400 to an addition or a removal of keys that is not allowed."""
    if workspace["requiresTitleAndComments"] and not (change.title and change.comment):
        raise RefusedError(400, "Comment/title combination invalid for workspace")
    if not all(change.keys) or not (change.keys or may_be_empty):
        raise RefusedError(400, "There must be keys, and none may be empty")
    if len(change.keys) > MAX_KEYS_PER_CALL:
        raise RefusedError(400, f"A call takes at most {MAX_KEYS_PER_CALL} keys")


class SegmentKeys:
    """The keys of all segments, for each environment."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._version: tuple[int, str | None, str] | None = None
        self._keys: list[str] = []

    def add(self, environment_id: str, name: str, keys: Sequence[str], *, replace: bool) -> None:
        """Add keys, or replace all others; 400, and no change, when the segment would be too large."""
        with self._store.transaction() as database:
            if replace:
                self.clear(environment_id, name)
            database.executemany(
                "INSERT OR IGNORE INTO segment_keys VALUES (?, ?, ?)", [(environment_id, name, key) for key in keys]
            )
            if self.count(environment_id, name) > MAX_KEYS_PER_SEGMENT:
                raise RefusedError(400, f"A segment holds at most {MAX_KEYS_PER_SEGMENT} keys")
            self._store.count_arrivals("Split segment keys", {name: len(keys)})

    def remove(self, environment_id: str, name: str, keys: Sequence[str]) -> int:
        """Remove keys; return how many of them the segment had."""
        with self._store.transaction() as database:
            return database.executemany(
                "DELETE FROM segment_keys WHERE environment_id = ? AND segment = ? AND key = ?",
                [(environment_id, name, key) for key in keys],
            ).rowcount

    def clear(self, environment_id: str, name: str) -> None:
        """Remove all keys."""
        self._store.database.execute(
            "DELETE FROM segment_keys WHERE environment_id = ? AND segment = ?", (environment_id, name)
        )

    def all(self, environment_id: str | None, name: str) -> Sequence[str]:
        """A segment's keys in order."""
        # Reading a segment page by page must not read all of it for each page; any write makes this stale.
        version = (self._store.database.total_changes, environment_id, name)
        if self._version != version:
            self._version, self._keys = version, self.first(environment_id, name, limit=-1)
        return self._keys

    def first(self, environment_id: str | None, name: str, limit: int) -> list[str]:
        """The first keys of a segment; -1 is no limit."""
        rows = self._store.database.execute(
            "SELECT key FROM segment_keys WHERE environment_id = ? AND segment = ? ORDER BY key LIMIT ?",
            (environment_id, name, limit),
        )
        return [key for (key,) in rows]

    def count(self, environment_id: str | None, name: str) -> int:
        """The number of a segment's keys."""
        (count,) = self._store.database.execute(
            "SELECT count(*) FROM segment_keys WHERE environment_id = ? AND segment = ?", (environment_id, name)
        ).fetchone()
        return int(count)
