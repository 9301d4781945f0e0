"""Makes the ledger's file: whole, or not at all; and brings older ones up to date.

A run may be killed, or its disk may be full, while the file is made. So it is made under another name and only then
given its own: an empty or half-made file under that name is never ours, but a ledger that something has damaged.
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing, suppress
from pathlib import Path
from tempfile import mkstemp

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
