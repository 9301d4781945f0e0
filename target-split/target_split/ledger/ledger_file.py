"""The ledger's file: made whole or not at all, brought up to date, and its one large table.

A run may be killed, or its disk may be full, while the file is made. So it is made under another name and only then
given its own: an empty or half-made file under that name is never ours, but a ledger that something has damaged.

The table of accepted events is searched and filled in blocks. Ids go in and out of statements as one blob, from which a
table of positions cuts them. Python's lock changes hands with each row that a statement is given or gives: row by row,
the ledger and the reading of records would mostly wait for each other.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, suppress
from pathlib import Path
from tempfile import mkstemp

from target_split.ledger.event_id import HASH_BYTES, HOUR_BYTES, ID_BYTES, NO_HOUR
from target_split.ledger.ledger import day_of

# Written into the file's header, so that a file of something else is not taken for a ledger.
APPLICATION_ID = 0x53504C54
SCHEMA_VERSION = 2

ACCEPTED = "CREATE TABLE accepted (id BLOB PRIMARY KEY, day INTEGER NOT NULL) WITHOUT ROWID"
SCHEMA = f"""
BEGIN;
{ACCEPTED};
CREATE TABLE posted (number INTEGER PRIMARY KEY, stream TEXT NOT NULL, time REAL NOT NULL, ids BLOB NOT NULL);
CREATE TABLE answered (number INTEGER PRIMARY KEY);
CREATE TABLE pruned (day INTEGER NOT NULL);
INSERT INTO pruned VALUES (0);
PRAGMA application_id = {APPLICATION_ID};
PRAGMA user_version = {SCHEMA_VERSION};
COMMIT;
"""  # noqa: S608 - numbers of our own

# Ids of version 1 were hashes alone. They stay in a table of their own, which goes once all of them are forgotten.
FROM_VERSION_1 = (
    "ALTER TABLE accepted RENAME TO accepted_v1",
    ACCEPTED,
    f"PRAGMA user_version = {SCHEMA_VERSION}",
)

IDS_PER_STATEMENT = 5_000

POSITIONS = f"""
PRAGMA temp_store = MEMORY;
CREATE TEMP TABLE IF NOT EXISTS position (at INTEGER PRIMARY KEY);
WITH RECURSIVE counted (at) AS
  (SELECT 1 UNION ALL SELECT at + {ID_BYTES} FROM counted LIMIT {IDS_PER_STATEMENT})
INSERT OR IGNORE INTO position SELECT at FROM counted;
"""  # noqa: S608 - numbers of our own
KNOWN = f"""
SELECT id FROM position CROSS JOIN accepted ON id = substr(:ids, at, {ID_BYTES}) WHERE at < length(:ids)
"""  # noqa: S608  # likewise
# An id of version 1 begins with the hash that an id of today ends with.
KNOWN_V1 = f"""
SELECT substr(:ids, at, {ID_BYTES}) FROM position CROSS JOIN accepted_v1 ON id BETWEEN
  CAST(substr(:ids, at + {HOUR_BYTES}, {HASH_BYTES}) || x'00000000' AS BLOB) AND
  CAST(substr(:ids, at + {HOUR_BYTES}, {HASH_BYTES}) || x'ffffffff' AS BLOB)
WHERE at < length(:ids)
"""  # noqa: S608  # likewise
INSERT = f"""
INSERT OR IGNORE INTO accepted SELECT substr(:ids, at, {ID_BYTES}), :day FROM position WHERE at < length(:ids)
"""  # noqa: S608  # likewise


def make_ledger(file: Path) -> None:
    """Make an empty ledger; where another run was faster, leave its file.

    Raises:
        OSError: The folder cannot be written.
        sqlite3.Error: The file cannot be written, such as on a full disk.
    """
    for rest in ("-wal", "-shm"):  # of a ledger that was moved away: SQLite would take them for the new one's
        file.with_name(file.name + rest).unlink(missing_ok=True)
    handle, name = mkstemp(prefix=f"{file.name}.", suffix=".new", dir=file.parent)
    os.close(handle)
    try:
        with closing(sqlite3.connect(name, isolation_level=None)) as database:
            database.executescript(SCHEMA)
        with suppress(FileExistsError):
            os.link(name, file)
    finally:
        Path(name).unlink()


class AcceptedIds:
    """The table of accepted events. Not safe to use from several threads at once."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database
        database.executescript(POSITIONS)
        is_there = database.execute("SELECT 1 FROM sqlite_master WHERE name = 'accepted_v1'").fetchone()
        self._tables = ["accepted", "accepted_v1"] if is_there else ["accepted"]

    def known(self, ids: Sequence[bytes]) -> set[bytes]:
        """Return those of some ids that are in it."""
        statements = [KNOWN, KNOWN_V1][: len(self._tables)]
        return {
            identity
            for blob in blobs(ids)
            for statement in statements
            for (identity,) in self._database.execute(statement, {"ids": blob})
        }

    def insert(self, ids: Sequence[bytes], day: int) -> None:
        """Add ids, in their order: neighbors then go into one page of the file."""
        for blob in blobs(sorted(ids)):
            self._database.execute(INSERT, {"ids": blob, "day": day})

    def newest_event(self) -> int | None:
        """Return the day of the newest event that is known by its id; None where there is none."""
        newest = self._database.execute("SELECT max(id) FROM accepted WHERE id < ?", (NO_HOUR,)).fetchone()[0]
        return None if newest is None else day_of(newest)

    def last_day(self) -> int | None:
        """Return the last day on which ids were added; None where there are none. It reads the whole table."""
        days = [self._database.execute(f"SELECT max(day) FROM {table}").fetchone()[0] for table in self._tables]  # noqa: S608  # names of our own
        return max((day for day in days if day is not None), default=None)

    def forget(self, before: int) -> None:
        """Remove ids that were added before a day. It reads the whole table."""
        for table in self._tables:
            self._database.execute(f"DELETE FROM {table} WHERE day < ?", (before,))  # noqa: S608  # names of our own
        if "accepted_v1" in self._tables and not self._database.execute("SELECT 1 FROM accepted_v1 LIMIT 1").fetchone():
            self._database.execute("DROP TABLE accepted_v1")
            self._tables.remove("accepted_v1")


def blobs(ids: Sequence[bytes]) -> Iterator[bytes]:
    """Yield ids joined, as many at a time as a statement takes."""
    for start in range(0, len(ids), IDS_PER_STATEMENT):
        yield b"".join(ids[start : start + IDS_PER_STATEMENT])


def split_ids(blob: bytes) -> list[bytes]:
    """Return the ids that a blob holds, one after the other."""
    return [blob[start : start + ID_BYTES] for start in range(0, len(blob), ID_BYTES)]
