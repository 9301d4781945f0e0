"""The audit file: an SQLite database of what was expected and what arrived.

Passes only append, so that ten million rows cost no memory and no look-ups; the report sorts them. A row is known by a
key: 64 bits of the digest of an id (of ten million, two collide once in 350,000 audits), or an id of up to 16 bytes.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from ..errors import ConnectorError
from ..private_files import PRIVATE_MODE, check_private_file
from ..sqlite_errors import sqlite_errors
from .subject import Subject

HOUR_MS = 3_600_000
IN_USE = "is in use by another pass or report. Run one after the other."
DAMAGED = "cannot be used as an audit file ({error})."
CACHE_KIBIBYTES = 16_384
VERSION = 2
TABLES = """
CREATE TABLE subject (content BLOB);
CREATE TABLE passes (number INTEGER PRIMARY KEY, kind TEXT, is_finished INTEGER DEFAULT 0);
CREATE TABLE settings (name TEXT PRIMARY KEY, value TEXT);
CREATE TABLE labels (number INTEGER PRIMARY KEY, name TEXT UNIQUE);
CREATE TABLE schemas (stream TEXT PRIMARY KEY, message BLOB);
CREATE TABLE lines (number INTEGER PRIMARY KEY, content BLOB);
CREATE TABLE expected (key, hour INTEGER, since INTEGER, label INTEGER, block INTEGER, position INTEGER);
CREATE TABLE left_out (key, hour INTEGER, label INTEGER, kind TEXT, reason TEXT);
CREATE TABLE arrived (key, copy, upload_hour INTEGER);
CREATE TABLE untold (key, kind TEXT);
"""
INSERT = {
    "expected": "INSERT INTO expected VALUES (?, ?, ?, ?, ?, ?)",
    "left_out": "INSERT INTO left_out VALUES (?, ?, ?, ?, ?)",
    "arrived": "INSERT INTO arrived VALUES (?, ?, ?)",
    "untold": "INSERT INTO untold VALUES (?, ?)",
}
# Made when a pass is over, and dropped before more is appended.
INDEXES = {"arrived_by_key": "arrived (key, copy)", "untold_by_key": "untold (key)"}


class Expected(NamedTuple):
    """A record that should arrive.

    Attributes:
        key: Tells it from others.
        hour: UTC hour of its time, in hours since 1970; None without a time.
        since: The earliest hour in which it can have been uploaded.
        label: Number of its flag or event type.
        block: Number of the block of messages that holds it.
        position: Its line in that block, from 0.
    """

    key: int | bytes
    hour: int | None
    since: int | None
    label: int
    block: int
    position: int


class LeftOut(NamedTuple):
    """A record that is not sent: `kind` is `rejected` or `skipped`, `reason` says why; the rest is as in `Expected`."""

    key: int | bytes
    hour: int | None
    label: int
    kind: str
    reason: str


class AuditStore:
    """An audit file, opened for writing or reading.

    Args:
        path: The file.
        subject: What it is about; the file is made if it does not exist. None to open an existing file.

    Raises:
        ConnectorError: The file cannot be used; the message says why. As do all methods.
    """

    def __init__(self, path: str, subject: Subject | None = None) -> None:
        self.path = Path(path).expanduser()
        self._labels: dict[str, int] = {}
        if subject is None and not self.path.exists():
            raise ConnectorError(f"There is no audit file {self.path}. Set 'audit_path' and run the passes first.")
        with self._errors():
            # Reports may be on the files of others; their links and modes were checked when they were written.
            if subject is not None and not check_private_file(self.path, "audit_path"):
                self.path.touch(PRIVATE_MODE)
            self.database = sqlite3.connect(self.path, isolation_level=None)
        try:
            self._open(subject)
        except ConnectorError:
            self.close()
            raise

    def _open(self, subject: Subject | None) -> None:
        with self._errors():
            self.database.execute(f"PRAGMA cache_size = -{CACHE_KIBIBYTES}")
            self.database.execute("PRAGMA temp_store = FILE")
            self.subject = self._set_up(subject)
            self._blocks = self.database.execute("SELECT IFNULL(MAX(number), 0) FROM lines").fetchone()[0]
        if subject is not None and subject.target != self.subject.target:
            raise ConnectorError(
                f"Setting 'audit_path': {self.path} is an audit of {self.subject.target}. Give each target a file of "
                "its own; --audit-report takes several."
            )

    def _set_up(self, subject: Subject | None) -> Subject:
        execute = self.database.execute
        version = execute("PRAGMA user_version").fetchone()[0]
        if version == 0 and subject is not None and not execute("SELECT 1 FROM sqlite_master").fetchone():
            self.database.executescript(f"BEGIN IMMEDIATE; {TABLES} PRAGMA user_version = {VERSION}; COMMIT;")
            execute("INSERT INTO subject VALUES (?)", (msgspec.json.encode(subject),))
            return subject
        if version != VERSION:
            raise sqlite3.DatabaseError("it was made by another program or version")
        return msgspec.json.decode(execute("SELECT content FROM subject").fetchone()[0], type=Subject)

    def _errors(self) -> AbstractContextManager[None]:
        return sqlite_errors("audit_path", self.path, in_use=IN_USE, damaged=DAMAGED)

    def _execute(self, statement: str, parameters: Sequence[Any] = ()) -> None:
        with self._errors():
            self.database.execute(statement, parameters)

    # Writing

    def begin_pass(self, kind: str, settings: Mapping[str, Any]) -> int:
        """Note that a pass begins; return its number.

        Args:
            kind: `expected` or `arrived`.
            settings: The settings on which keys depend.

        Raises:
            ConnectorError: They differ from those of an earlier pass.
        """
        given = {
            name: hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()
            for name, value in settings.items()
        }
        with self._errors():
            known = dict(self.database.execute("SELECT name, value FROM settings"))
            changed = sorted(name for name in known.keys() & given.keys() if known[name] != given[name])
            if changed:
                raise ConnectorError(
                    f"Setting {', '.join(repr(name) for name in changed)} changed since an earlier pass of this audit, "
                    "so its records may no longer match. Restore it, or set 'audit_path' to a new file and repeat all "
                    "passes."
                )
            for name in INDEXES:
                self.database.execute(f"DROP INDEX IF EXISTS {name}")
            self.database.executemany("INSERT OR IGNORE INTO settings VALUES (?, ?)", given.items())
            return int(self.database.execute("INSERT INTO passes (kind) VALUES (?)", (kind,)).lastrowid or 0)

    def finish_pass(self, number: int) -> None:
        """Note that a pass read all of its input."""
        self._execute("UPDATE passes SET is_finished = 1 WHERE number = ?", (number,))

    def label(self, name: str) -> int:
        """Return the number of a flag or event type."""
        number = self._labels.get(name)
        if number is None:
            self._execute("INSERT OR IGNORE INTO labels (name) VALUES (?)", (name,))
            (row,) = self.query("SELECT number FROM labels WHERE name = ?", (name,))
            number = self._labels[name] = int(row[0])
        return number

    def add_schema(self, stream: str, message: bytes) -> None:
        """Keep the SCHEMA message of a stream."""
        self._execute("INSERT OR REPLACE INTO schemas VALUES (?, ?)", (stream, message))

    def add_lines(self, block: bytes) -> int:
        """Keep a block of messages, a line each; return its number."""
        self._blocks += 1
        self._execute("INSERT INTO lines VALUES (?, ?)", (self._blocks, zlib.compress(block, 1)))
        return int(self._blocks)

    def begin(self) -> None:
        """Begin a transaction."""
        self._execute("BEGIN IMMEDIATE")

    def commit(self) -> None:
        """Make durable what was added."""
        self._execute("COMMIT")

    def add(self, table: str, rows: Sequence[Any]) -> None:
        """Append rows to `expected`, `left_out`, `arrived` or `untold`."""
        if rows:
            with self._errors():
                self.database.executemany(INSERT[table], rows)

    def forget_untold(self) -> None:
        """Drop what could not be told before."""
        self._execute("DELETE FROM untold")

    # Reading

    def index(self) -> None:
        """Sort what the passes appended."""
        for name, columns in INDEXES.items():
            self._execute(f"CREATE INDEX IF NOT EXISTS {name} ON {columns}")

    def query(self, statement: str, parameters: Mapping[str, Any] | Sequence[Any] = ()) -> Iterator[tuple[Any, ...]]:
        """Yield the rows of a statement."""
        with self._errors():
            yield from self.database.execute(statement, parameters)

    def lines(self, positions: Iterator[tuple[int, int]]) -> Iterator[bytes]:
        """Yield kept messages, by ascending block and position."""
        last, content = 0, [b""]
        for block, position in positions:
            if block != last:
                row = next(self.query("SELECT content FROM lines WHERE number = ?", (block,)))
                last, content = block, zlib.decompress(row[0]).split(b"\n")
            yield content[position]

    def close(self) -> None:
        """Close the file; what is not committed is dropped."""
        self.database.close()


def key_of(text: str) -> int:
    """Return 64 bits that stand for an id."""
    digest = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "big", signed=True)
