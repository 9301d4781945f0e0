"""What a run remembers on disk instead of in memory: unnamed SQLite databases that end with the process."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable

CACHE_KIBIBYTES = 16_384


class Seen:
    """The set of ids that were sent in this run.

    Ids are remembered by 64 bits of their digest: of a million ids, two collide once in 40 million runs.
    """

    def __init__(self) -> None:
        self._database: sqlite3.Connection | None = None

    def is_new(self, digest: str) -> bool:
        """Remember an id; return whether it was not known.

        Args:
            digest: At least 16 hex digits.
        """
        number = int(digest[:16], 16) - (1 << 63)
        self._database = self._database or open_database("CREATE TABLE seen (id INTEGER PRIMARY KEY)")
        return self._database.execute("INSERT OR IGNORE INTO seen VALUES (?)", (number,)).rowcount == 1

    def close(self) -> None:
        """Forget everything."""
        if self._database:
            self._database.close()


class KeyValueStore:
    """Bytes by name."""

    def __init__(self) -> None:
        self._database = open_database("CREATE TABLE entries (name TEXT PRIMARY KEY, content BLOB) WITHOUT ROWID")

    def put_all(self, entries: Iterable[tuple[str, bytes]]) -> None:
        """Store contents, each under its name; they replace what was there."""
        self._database.executemany("INSERT OR REPLACE INTO entries VALUES (?, ?)", entries)

    def get(self, name: str) -> bytes | None:
        """Return what is stored under a name."""
        row = self._database.execute("SELECT content FROM entries WHERE name = ?", (name,)).fetchone()
        return None if row is None else bytes(row[0])

    def close(self) -> None:
        """Forget everything."""
        self._database.close()


def open_database(table: str) -> sqlite3.Connection:
    """Return a new database with one table, tuned for content that need not survive."""
    database = sqlite3.connect("", isolation_level=None)
    database.execute(f"PRAGMA cache_size = -{CACHE_KIBIBYTES}")
    database.execute("PRAGMA journal_mode = OFF")
    database.execute("PRAGMA synchronous = OFF")
    database.execute(table)
    database.execute("BEGIN")
    return database
