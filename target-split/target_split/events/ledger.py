"""The ledger: which events Split accepted, and which were on their way when nobody could tell any more.

Split's events API never de-duplicates, and events can be neither changed nor deleted
(https://docs.split.io/reference/create-events). So what is posted is written down first, and what Split answered
afterwards. After a kill at any moment an event is either known as accepted, or known as unsent, or of unknown fate:
posted, but its answer never came.

One SQLite file, held by one run at a time. Every commit reaches the disk before the next step. A request costs two
small ones: its ids as one row of `posted`, later its number in `answered`. Only many requests together go into
`accepted`, the large table that is searched: ids are hashes, so each one that is put in alone rewrites a page.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path

from target_split.common.errors import ConnectorError
from target_split.events.event_id import ID_BYTES
from target_split.events.ledger_file import APPLICATION_ID, SCHEMA_VERSION, make_ledger

SECONDS_PER_DAY = 86_400

# Accepted events that go into the large table together.
IDS_PER_FOLD = 50_000

AFRESH_HINT = "Put a backup in its place, or move it away to start afresh; events read again are then posted again."

# Ids go in and out of statements as one blob. Python's lock changes hands with each row that a statement is given or
# gives: row by row, the ledger and the reading of records would mostly wait for each other.
KNOWN = """
WITH RECURSIVE place (at) AS (SELECT 1 UNION ALL SELECT at + :size FROM place WHERE at + :size < length(:ids))
SELECT id FROM place CROSS JOIN accepted ON id = substr(:ids, at, :size)
"""
FOLD = """
WITH RECURSIVE place (at) AS (
  SELECT 1 UNION ALL SELECT at + :size FROM place WHERE at < (SELECT max(length(ids)) FROM posted)
)
INSERT OR IGNORE INTO accepted
SELECT substr(ids, at, :size), :day
FROM answered JOIN posted USING (number) JOIN place ON at < length(ids)
ORDER BY 1
"""


@dataclass(frozen=True)
class Leftover:
    """A request of an earlier run whose answer nobody heard.

    Attributes:
        stream: Its stream.
        time: When it was posted, in seconds since 1970.
        ids: Its events that have not come again yet.
    """

    stream: str
    time: float
    ids: set[bytes] = field(default_factory=set)


@dataclass(frozen=True)
class Sifted:
    """What the ledger knows of some events.

    Attributes:
        fresh: Positions of those to post.
        doubtful: How many of the fresh ones an earlier run may have posted.
        skipped: How many are left out because an earlier run may have posted them.
    """

    fresh: Sequence[int]
    doubtful: int
    skipped: int


class Ledger:
    """Remembers events. Safe to use from any thread.

    Args:
        path: The file; made when it is not there.
        days: How long an event is remembered.
        skip_unknown: Whether events of unknown fate count as accepted.
        now: Seconds since 1970.

    Raises:
        ConnectorError: The file is no ledger, is damaged, is in use or cannot be written.
    """

    def __init__(self, path: str, days: int, *, skip_unknown: bool, now: float | None = None) -> None:
        self._path = path
        self._skip_unknown = skip_unknown
        self._lock = threading.Lock()
        self._claimed: set[bytes] = set()  # of this run, and not in the large table yet
        self._answered: list[Sequence[bytes]] = []  # those of them that were accepted
        self._leftovers: dict[int, Leftover] = {}
        self._doubtful: dict[bytes, int] = {}  # id to the leftover's number
        self._today = int((time.time() if now is None else now) // SECONDS_PER_DAY)
        file = Path(path).expanduser().absolute()
        if not file.parent.is_dir():
            raise ConnectorError(f"Setting 'ledger_path': the folder {file.parent} does not exist.")
        if file.is_file() and file.stat().st_size == 0:  # SQLite would take it for a new one
            raise ConnectorError(f"Setting 'ledger_path': {path} is empty. {AFRESH_HINT}")
        with self._errors():
            if not file.exists():
                make_ledger(file)
            self._database = sqlite3.connect(file, isolation_level=None, check_same_thread=False, timeout=1)
            try:
                self._open(days)
            except BaseException:
                self._database.close()
                raise
        self._is_open = True

    def _open(self, days: int) -> None:
        execute = self._database.execute
        execute("PRAGMA locking_mode = EXCLUSIVE")
        execute("PRAGMA journal_mode = WAL")
        execute("PRAGMA synchronous = FULL")
        execute("PRAGMA cache_size = -16000")  # kilobytes
        if execute("PRAGMA application_id").fetchone()[0] != APPLICATION_ID:
            raise ConnectorError(f"Setting 'ledger_path': {self._path} is a database, but no ledger of this target.")
        if execute("PRAGMA user_version").fetchone()[0] != SCHEMA_VERSION:
            raise ConnectorError(f"Setting 'ledger_path': {self._path} was written by another version of this target.")
        if execute("PRAGMA quick_check(1)").fetchone()[0] != "ok":
            raise sqlite3.DatabaseError("the file is damaged")
        self._fold()  # what a killed run left
        self._prune(days)
        for number, stream, posted, blob in execute("SELECT number, stream, time, ids FROM posted").fetchall():
            ids = list(split_ids(blob))
            # Without those that came again meanwhile, and were accepted or are part of an earlier entry.
            unsettled = set(ids) - self._known(ids) - self._doubtful.keys()
            if unsettled:
                self._leftovers[number] = Leftover(stream, posted, unsettled)
                self._doubtful |= dict.fromkeys(unsettled, number)
            else:
                execute("DELETE FROM posted WHERE number = ?", (number,))

    def _prune(self, days: int) -> None:
        """Forget what is too old, once a day: it reads the whole file."""
        if self._database.execute("SELECT day FROM pruned").fetchone()[0] == self._today:
            return
        with self._transaction():
            self._database.execute("DELETE FROM accepted WHERE day < ?", (self._today - days,))
            self._database.execute("DELETE FROM posted WHERE time < ?", ((self._today - days) * SECONDS_PER_DAY,))
            self._database.execute("UPDATE pruned SET day = ?", (self._today,))

    @property
    def leftovers(self) -> list[Leftover]:
        """Requests of earlier runs whose answer nobody heard."""
        return list(self._leftovers.values())

    def sift(self, ids: Sequence[bytes]) -> Sifted:
        """Tell which events are to be posted, and claim these for this run."""
        with self._lock, self._errors():
            known = self._known(ids)
            distinct = set(ids)
            if len(distinct) == len(ids) and not known and distinct.isdisjoint(self._claimed) and not self._doubtful:
                self._claimed |= distinct  # nothing to tell apart: the usual case, and the fastest
                return Sifted(range(len(ids)), doubtful=0, skipped=0)
            return self._told_apart(ids, known)

    def _told_apart(self, ids: Sequence[bytes], known: set[bytes]) -> Sifted:
        fresh: list[int] = []
        doubtful: list[bytes] = []
        for position, identity in enumerate(ids):
            if identity in known or identity in self._claimed:
                continue
            self._claimed.add(identity)
            if identity in self._doubtful:
                doubtful.append(identity)
                if self._skip_unknown:
                    continue
            fresh.append(position)
        if doubtful and self._skip_unknown:
            with self._transaction():
                self._answer(self._post("", doubtful), doubtful)
            return Sifted(fresh, doubtful=0, skipped=len(doubtful))
        return Sifted(fresh, doubtful=len(doubtful), skipped=0)

    def posting(self, stream: str, ids: Sequence[bytes]) -> int:
        """Write down that events are about to be posted; return the number of this entry."""
        with self._lock, self._errors():
            return self._post(stream, ids)

    def accepted(self, number: int, ids: Sequence[bytes]) -> None:
        """Write down that Split took the events of an entry."""
        with self._lock, self._errors():
            with self._transaction() if self._doubtful else nullcontext():  # a single statement is one by itself
                self._answer(number, ids)
            if sum(map(len, self._answered)) >= IDS_PER_FOLD:
                self._fold()

    def refused(self, number: int) -> None:
        """Write down that Split did not take the events of an entry."""
        with self._lock, self._errors():
            self._database.execute("DELETE FROM posted WHERE number = ?", (number,))

    def close(self) -> None:
        """Close the file."""
        with self._lock, self._errors():
            if self._is_open:
                self._is_open = False
                with closing(self._database):
                    self._fold()

    def _known(self, ids: Sequence[bytes]) -> set[bytes]:
        return {identity for (identity,) in self._database.execute(KNOWN, {"size": ID_BYTES, "ids": b"".join(ids)})}

    def _post(self, stream: str, ids: Sequence[bytes]) -> int:
        row = (stream, time.time(), b"".join(ids))
        number = self._database.execute("INSERT INTO posted (stream, time, ids) VALUES (?, ?, ?)", row).lastrowid
        assert number is not None  # noqa: S101
        return number

    def _answer(self, number: int, ids: Sequence[bytes]) -> None:
        self._database.execute("INSERT INTO answered VALUES (?)", (number,))
        self._answered.append(ids)
        self._settle(ids)

    def _fold(self) -> None:
        """Put the ids of answered entries into the large table, in its order."""
        with self._transaction():
            self._database.execute(FOLD, {"size": ID_BYTES, "day": self._today})
            self._database.execute("DELETE FROM posted WHERE number IN (SELECT number FROM answered)")
            self._database.execute("DELETE FROM answered")
        self._claimed.difference_update(*self._answered)
        self._answered.clear()

    def _settle(self, ids: Sequence[bytes]) -> None:
        """Take events whose fate is known now out of the leftovers."""
        if not self._doubtful:
            return
        for identity in ids:
            number = self._doubtful.pop(identity, None)
            if number is None:
                continue
            leftover = self._leftovers[number]
            leftover.ids.discard(identity)
            if not leftover.ids:
                del self._leftovers[number]
                self._database.execute("DELETE FROM posted WHERE number = ?", (number,))

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._database.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._database.execute("ROLLBACK")
            raise
        self._database.execute("COMMIT")

    @contextmanager
    def _errors(self) -> Iterator[None]:
        """Say SQLite's errors in a sentence that names the setting."""
        try:
            yield
        except OSError as error:
            raise ConnectorError(f"Setting 'ledger_path': {self._path} cannot be made: {error.strerror}.") from error
        except sqlite3.OperationalError as error:
            if "locked" in str(error):
                raise ConnectorError(
                    f"Setting 'ledger_path': {self._path} is in use by another run. Give each pipeline its own ledger."
                ) from error
            raise ConnectorError(f"Setting 'ledger_path': {self._path} cannot be used: {error}.") from error
        except sqlite3.DatabaseError as error:
            raise ConnectorError(
                f"Setting 'ledger_path': {self._path} is no ledger or is damaged ({error}). {AFRESH_HINT}"
            ) from error


def split_ids(blob: bytes) -> Iterator[bytes]:
    """Yield the ids that a row of `posted` holds, one after the other."""
    for start in range(0, len(blob), ID_BYTES):
        yield blob[start : start + ID_BYTES]
