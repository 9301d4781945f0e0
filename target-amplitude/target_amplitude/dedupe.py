"""Remembers what was sent in this run, exactly and in little memory."""

from __future__ import annotations

import sqlite3

CACHE_KIBIBYTES = 16_384


class Seen:
    """A set of ids that grows on disk: an unnamed SQLite database, gone with the process.

    Ids are remembered by 64 bits of their digest: among a million, two fall together once in 40 million runs.
    """

    def __init__(self) -> None:
        self._database = sqlite3.connect("", isolation_level=None)
        self._database.execute(f"PRAGMA cache_size = -{CACHE_KIBIBYTES}")
        self._database.execute("PRAGMA journal_mode = OFF")
        self._database.execute("PRAGMA synchronous = OFF")
        self._database.execute("CREATE TABLE seen (id INTEGER PRIMARY KEY)")
        self._database.execute("BEGIN")

    def is_new(self, digest: str) -> bool:
        """Remember an id; return whether it was not known.

        Args:
            digest: At least 16 hex digits.
        """
        number = int(digest[:16], 16) - (1 << 63)
        return self._database.execute("INSERT OR IGNORE INTO seen VALUES (?)", (number,)).rowcount == 1

    def close(self) -> None:
        """Forget everything."""
        self._database.close()
