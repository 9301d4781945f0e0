"""The audit file: an SQLite database of what was expected and what arrived.

Both passes only append, so that ten million rows cost no memory and no look-ups; the report sorts them. A row is known
by 64 bits of the digest of its insert id: of ten million, two collide once in 350,000 audits.
"""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
import stat
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from target_amplitude.common.errors import ConnectorError

HOUR_MS = 3_600_000
CACHE_KIBIBYTES = 16_384
VERSION = 1
TABLES = """
CREATE TABLE passes (number INTEGER PRIMARY KEY, kind TEXT, is_finished INTEGER DEFAULT 0);
CREATE TABLE settings (name TEXT PRIMARY KEY, value TEXT);
CREATE TABLE labels (number INTEGER PRIMARY KEY, name TEXT UNIQUE);
CREATE TABLE schemas (stream TEXT PRIMARY KEY, message BLOB);
CREATE TABLE lines (number INTEGER PRIMARY KEY, content BLOB);
CREATE TABLE expected (key INTEGER, hour INTEGER, since INTEGER, label INTEGER, block INTEGER, position INTEGER);
CREATE TABLE rejected (key INTEGER, hour INTEGER, label INTEGER, reason TEXT);
CREATE TABLE arrived (key INTEGER, uuid INTEGER, upload_hour INTEGER);
"""
INSERT = {
    "expected": "INSERT INTO expected VALUES (?, ?, ?, ?, ?, ?)",
    "rejected": "INSERT INTO rejected VALUES (?, ?, ?, ?)",
    "arrived": "INSERT INTO arrived VALUES (?, ?, ?)",
}
# Made by the report, and dropped before more is appended.
INDEXES = {
    "expected_by_key": "expected (key)",
    "rejected_by_key": "rejected (key)",
    "arrived_by_key": "arrived (key, uuid)",
}


class Expected(NamedTuple):
    """A record that should arrive.

    Attributes:
        key: Digest of its insert id.
        hour: UTC hour of its time, in hours since 1970; None without a time.
        since: The earliest hour in which it can have been uploaded.
        label: Number of its flag or event type.
        block: Number of the block of input lines that holds it; None where it was not kept.
        position: Its line in that block, from 0.
    """

    key: int
    hour: int | None
    since: int | None
    label: int
    block: int | None
    position: int


class AuditStore:
    """An audit file, opened for writing or reading.

    Args:
        path: The file.
        create: Make it if it does not exist.

    Raises:
        ConnectorError: The file cannot be used; the message says why.
    """

    def __init__(self, path: str, *, create: bool = False) -> None:
        self.path = Path(path).expanduser()
        self._labels: dict[str, int] = {}
        if not create and not self.path.exists():
            raise ConnectorError(f"There is no audit file {self.path}. Set 'audit_path' and run both passes first.")
        try:
            self._make_private()
            self.database = sqlite3.connect(self.path, isolation_level=None)
            self.database.execute(f"PRAGMA cache_size = -{CACHE_KIBIBYTES}")
            self.database.execute("PRAGMA temp_store = FILE")
            self._set_up()
        except (OSError, sqlite3.Error) as error:
            raise ConnectorError(
                f"Setting 'audit_path': {self.path} cannot be used as an audit file ({error})."
            ) from None

    def _make_private(self) -> None:
        """Make the file its owner's alone; refuse what is not a regular file."""
        descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise OSError("not a regular file")
            os.fchmod(descriptor, 0o600)
        finally:
            os.close(descriptor)

    def _set_up(self) -> None:
        version = self.database.execute("PRAGMA user_version").fetchone()[0]
        if version == 0 and not self.database.execute("SELECT 1 FROM sqlite_master").fetchone():
            self.database.executescript(f"BEGIN; {TABLES} PRAGMA user_version = {VERSION}; COMMIT;")
        elif version != VERSION:
            raise sqlite3.DatabaseError("it was made by another program or version")

    # Writing

    def begin_pass(self, kind: str, settings: Mapping[str, Any]) -> int:
        """Note that a pass begins; return its number.

        Args:
            kind: `expected` or `arrived`.
            settings: The settings on which insert ids depend.

        Raises:
            ConnectorError: They differ from those of an earlier pass.
        """
        given = {
            name: hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()
            for name, value in settings.items()
        }
        known = dict(self.database.execute("SELECT name, value FROM settings"))
        changed = sorted(name for name in known.keys() & given.keys() if known[name] != given[name])
        if changed:
            raise ConnectorError(
                f"Setting {', '.join(repr(name) for name in changed)} changed since an earlier pass of this audit, so "
                "insert ids may no longer match. Restore it, or set 'audit_path' to a new file and repeat both passes."
            )
        for name in INDEXES:
            self.database.execute(f"DROP INDEX IF EXISTS {name}")
        self.database.executemany("INSERT OR IGNORE INTO settings VALUES (?, ?)", given.items())
        return int(self.database.execute("INSERT INTO passes (kind) VALUES (?)", (kind,)).lastrowid or 0)

    def finish_pass(self, number: int) -> None:
        """Note that a pass read all of its input."""
        self.database.execute("UPDATE passes SET is_finished = 1 WHERE number = ?", (number,))

    def label(self, name: str) -> int:
        """Return the number of a flag or event type."""
        number = self._labels.get(name)
        if number is None:
            self.database.execute("INSERT OR IGNORE INTO labels (name) VALUES (?)", (name,))
            row = self.database.execute("SELECT number FROM labels WHERE name = ?", (name,)).fetchone()
            number = self._labels[name] = int(row[0])
        return number

    def add_schema(self, stream: str, message: bytes) -> None:
        """Keep the SCHEMA message of a stream."""
        self.database.execute("INSERT OR REPLACE INTO schemas VALUES (?, ?)", (stream, message))

    def add_lines(self, block: bytes) -> int:
        """Keep a block of input lines; return its number."""
        cursor = self.database.execute("INSERT INTO lines (content) VALUES (?)", (zlib.compress(block, 1),))
        return int(cursor.lastrowid or 0)

    def begin(self) -> None:
        """Begin a transaction."""
        self.database.execute("BEGIN")

    def commit(self) -> None:
        """Make durable what was added."""
        self.database.execute("COMMIT")

    def add(self, table: str, rows: list[Any]) -> None:
        """Append rows to `expected`, `rejected` or `arrived`."""
        if rows:
            self.database.executemany(INSERT[table], rows)

    # Reading

    def index(self) -> None:
        """Sort what the passes appended."""
        for name, columns in INDEXES.items():
            self.database.execute(f"CREATE INDEX IF NOT EXISTS {name} ON {columns}")

    def lines(self, positions: Iterator[tuple[int, int]]) -> Iterator[bytes]:
        """Yield kept lines, by ascending block and position."""
        last, content = 0, [b""]
        for block, position in positions:
            if block != last:
                row = self.database.execute("SELECT content FROM lines WHERE number = ?", (block,)).fetchone()
                last, content = block, zlib.decompress(row[0]).split(b"\n")
            yield content[position]

    def close(self) -> None:
        """Close the file; what is not committed is dropped."""
        self.database.close()


def key_of(text: str) -> int:
    """Return 64 bits that stand for an id."""
    digest = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "big", signed=True)
