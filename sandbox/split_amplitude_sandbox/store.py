"""Everything that arrived, in one SQLite database: a file that survives a restart, or memory."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from split_amplitude_sandbox.clock import Clock

DATABASE_NAME = "sandbox.sqlite3"
ARRIVAL_SECONDS = 5

SCHEMA = """
CREATE TABLE IF NOT EXISTS documents (
    kind TEXT NOT NULL, id TEXT NOT NULL, body BLOB NOT NULL, PRIMARY KEY (kind, id)
);
CREATE TABLE IF NOT EXISTS arrivals (
    moment INTEGER NOT NULL, kind TEXT NOT NULL, name TEXT NOT NULL, items INTEGER NOT NULL,
    PRIMARY KEY (moment, kind, name)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS amplitude_users (
    amplitude_id INTEGER PRIMARY KEY, identity TEXT NOT NULL UNIQUE, user_id TEXT, device_id TEXT,
    properties BLOB NOT NULL, created_ms INTEGER, updates_hour INTEGER NOT NULL, updates INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS amplitude_events (
    number INTEGER PRIMARY KEY, uuid TEXT, event BLOB, exported_row BLOB, path TEXT, amplitude_id INTEGER,
    event_type TEXT, insert_id TEXT, export_hour INTEGER, upload_ms INTEGER, client_upload_ms INTEGER,
    event_ms INTEGER, session_id INTEGER, user_properties BLOB, user_created_ms INTEGER
);
CREATE INDEX IF NOT EXISTS amplitude_events_by_insert_id ON amplitude_events (insert_id)
    WHERE insert_id IS NOT NULL;
CREATE INDEX IF NOT EXISTS amplitude_events_by_hour ON amplitude_events (export_hour)
    WHERE export_hour IS NOT NULL;
CREATE TABLE IF NOT EXISTS amplitude_identifications (
    number INTEGER PRIMARY KEY, path TEXT NOT NULL, identification BLOB NOT NULL
);
CREATE TABLE IF NOT EXISTS split_events (number INTEGER PRIMARY KEY, event BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS segment_keys (
    environment_id TEXT NOT NULL, segment TEXT NOT NULL, key TEXT NOT NULL,
    PRIMARY KEY (environment_id, segment, key)
) WITHOUT ROWID;
"""


class Store:
    """The database, and what every service does with it.

    Only the event loop's thread uses it: each call is short, and the writes of a request are one transaction.
    Without a folder it is in memory.
    """

    def __init__(self, folder: Path | None, clock: Clock) -> None:
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
        self.database = sqlite3.connect(folder / DATABASE_NAME if folder else ":memory:", isolation_level=None)
        self._clock = clock
        # The write-ahead log survives a kill of the process; only a power cut could lose the last moments.
        self.database.executescript("PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF;" + SCHEMA)

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Commit at the end; roll back on an exception."""
        self.database.execute("BEGIN")
        try:
            yield self.database
        except BaseException:
            self.database.execute("ROLLBACK")
            raise
        self.database.execute("COMMIT")

    def clear(self) -> None:
        """Delete everything."""
        with self.transaction() as database:
            for (table,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
                database.execute(f"DELETE FROM {table}")  # noqa: S608 - the names are those above

    def put_document(self, kind: str, identity: str, body: Any) -> None:
        """Keep a small object under its kind and id, or replace it; it keeps its position in the list."""
        self.database.execute(
            "INSERT INTO documents VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET body = excluded.body",
            (kind, identity, msgspec.json.encode(body)),
        )

    def document(self, kind: str, identity: str) -> Any:
        """A small object, or None."""
        row = self.database.execute("SELECT body FROM documents WHERE kind = ? AND id = ?", (kind, identity)).fetchone()
        return msgspec.json.decode(row[0]) if row else None

    def documents(self, kind: str) -> list[Any]:
        """All small objects of a kind, in order of arrival."""
        rows = self.database.execute("SELECT body FROM documents WHERE kind = ? ORDER BY rowid", (kind,))
        return [msgspec.json.decode(body) for (body,) in rows]

    def delete_document(self, kind: str, identity: str) -> None:
        """Delete a small object."""
        self.database.execute("DELETE FROM documents WHERE kind = ? AND id = ?", (kind, identity))

    def count_arrivals(self, kind: str, items: Mapping[str, int]) -> None:
        """Count what arrived, for the page: a number of items by name, of a kind such as `Amplitude events`."""
        moment = self._clock.now_ms() // 1000 // ARRIVAL_SECONDS * ARRIVAL_SECONDS
        self.database.executemany(
            "INSERT INTO arrivals VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET items = items + excluded.items",
            [(moment, kind, name, count) for name, count in items.items()],
        )


def ndjson(objects: Iterable[bytes]) -> bytes:
    """JSON texts, each on one line."""
    one_line = (msgspec.json.format(text, indent=-1) if b"\n" in text else text for text in objects)
    return b"".join(part for text in one_line for part in (text, b"\n"))
