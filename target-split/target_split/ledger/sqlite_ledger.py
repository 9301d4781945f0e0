"""The ledger in one SQLite file, held by one run at a time.

Every commit reaches the disk before the next step. A request costs two small ones: its ids as one row of `posted`,
later its number in `answered`. Only many requests together go into `accepted`, the large table that is searched.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from itertools import chain
from pathlib import Path

from target_split.common.errors import ConnectorError
from target_split.common.private_files import check_private_file
from target_split.common.sqlite_errors import sqlite_errors
from target_split.ledger.event_id import HASH_BYTES, HOUR_BYTES, NO_HOUR
from target_split.ledger.ledger import SECONDS_PER_DAY, Leftover, Sifted, Size, day_of, oldest_day
from target_split.ledger.ledger_file import (
    APPLICATION_ID,
    FROM_VERSION_1,
    SCHEMA_VERSION,
    AcceptedIds,
    make_ledger,
    split_ids,
)

# Accepted events that go into the large table together.
IDS_PER_FOLD = 50_000

AFRESH_HINT = "Put a backup in its place, or move it away to start afresh; events read again are then posted again."
IN_USE = "is in use by another run. Give each pipeline its own ledger."
DAMAGED = "is not a ledger or is damaged ({error}). " + AFRESH_HINT


class SQLiteLedger:
    """The `Ledger` in a file, which is made when it is not there; for its arguments see `open_ledger`.

    Safe to use from any thread.

    Raises:
        ConnectorError: The file is not a ledger, is damaged, is in use or cannot be written.
    """

    def __init__(self, path: str, days: int, *, skip_ambiguous: bool, now: Callable[[], float] = time.time) -> None:
        self._path = path
        self._skip_ambiguous = skip_ambiguous
        self._now = now
        self._lock = threading.Lock()
        self._claimed: set[bytes] = set()  # of this run, and not in the large table yet
        self._answered: list[Sequence[bytes]] = []  # those of them that were accepted
        self._leftovers: dict[int, Leftover] = {}
        self._ambiguous: dict[bytes, int] = {}  # hash of an event to the number of its leftover
        self._newest_day: int | None = None
        self._file = file = Path(path).expanduser().absolute()
        exists = check_private_file(file, "ledger_path")
        if exists and file.stat().st_size == 0:  # SQLite would take it for a new one
            raise ConnectorError(f"Setting 'ledger_path': {path} is empty. {AFRESH_HINT}")
        with self._errors():
            if not exists:
                make_ledger(file)
            self._database = sqlite3.connect(file, isolation_level=None, check_same_thread=False, timeout=1)
            try:
                self._open(days)
            except BaseException:
                self._database.close()
                raise
        self._is_open = True
        self._size = Size()

    def _open(self, days: int) -> None:
        execute = self._database.execute
        execute("PRAGMA locking_mode = EXCLUSIVE")
        execute("PRAGMA journal_mode = WAL")
        execute("PRAGMA synchronous = FULL")
        execute("PRAGMA cache_size = -16000")  # kilobytes
        if execute("PRAGMA application_id").fetchone()[0] != APPLICATION_ID:
            raise ConnectorError(f"Setting 'ledger_path': {self._path} is a database, but not a ledger of this target.")
        version = execute("PRAGMA user_version").fetchone()[0]
        if version not in (1, SCHEMA_VERSION):
            raise ConnectorError(f"Setting 'ledger_path': {self._path} was written by a newer version of this target.")
        if execute("PRAGMA quick_check(1)").fetchone()[0] != "ok":
            raise sqlite3.DatabaseError("the file is damaged")
        self._accepted = AcceptedIds(self._database)
        self._newest_day = None if version == 1 else self._accepted.newest_event()
        blobs = execute("SELECT ids FROM posted JOIN answered USING (number)").fetchall()
        self._answered = [split_ids(blob) for (blob,) in blobs]
        self._fold()  # what a killed run left
        if version == 1:
            self._bring_up_to_date()
        self._prune(days)
        self._read_leftovers()

    def _bring_up_to_date(self) -> None:
        """Take over a ledger of version 1, whose ids were hashes alone."""
        execute = self._database.execute
        with self._transaction():
            for statement in FROM_VERSION_1:
                execute(statement)
            for number, blob in execute("SELECT number, ids FROM posted").fetchall():
                ids = b"".join(NO_HOUR + identity[:HASH_BYTES] for identity in split_ids(blob))
                execute("UPDATE posted SET ids = ? WHERE number = ?", (ids, number))
        self._accepted = AcceptedIds(self._database)

    def _read_leftovers(self) -> None:
        execute = self._database.execute
        for number, stream, blob in execute("SELECT number, stream, ids FROM posted").fetchall():
            ids = split_ids(blob)
            # Without those that came again meanwhile, and were accepted or are part of an earlier entry.
            known = {identity[HOUR_BYTES:] for identity in self._accepted.known(ids)}
            unsettled = {identity[HOUR_BYTES:] for identity in ids} - known - self._ambiguous.keys()
            if unsettled:
                self._leftovers[number] = Leftover(stream, unsettled)
                self._ambiguous |= dict.fromkeys(unsettled, number)
            else:
                execute("DELETE FROM posted WHERE number = ?", (number,))

    def _prune(self, days: int) -> None:
        """Forget what is too old, once a day: it reads the whole file."""
        today = self._today()
        execute = self._database.execute
        if execute("SELECT day FROM pruned").fetchone()[0] == today:
            return
        oldest = oldest_day(today, self._accepted.last_day(), self._newest_day, days)
        with self._transaction():
            self._accepted.forget(oldest)
            execute("DELETE FROM posted WHERE time < ?", (oldest * SECONDS_PER_DAY,))
            execute("UPDATE pruned SET day = ?", (today,))

    def _today(self) -> int:
        return int(self._now() // SECONDS_PER_DAY)

    def _day(self) -> int:
        """Return the day that is written beside ids: never before that of the newest event, whatever a clock says."""
        return max(self._today(), self._newest_day or 0)

    @property
    def leftovers(self) -> list[Leftover]:
        """Requests of earlier runs whose answer never came."""
        return list(self._leftovers.values())

    def sift(self, ids: Sequence[bytes]) -> Sifted:
        """Tell which events are to be posted, and claim these for this run."""
        with self._lock, self._errors():
            known = self._accepted.known(ids)
            distinct = set(ids)
            if len(distinct) == len(ids) and not known and distinct.isdisjoint(self._claimed) and not self._ambiguous:
                self._claimed |= distinct  # nothing to tell apart: the usual case, and the fastest
                return Sifted(range(len(ids)), resent=0, skipped=0)
            return self._told_apart(ids, known)

    def _told_apart(self, ids: Sequence[bytes], known: set[bytes]) -> Sifted:
        fresh: list[int] = []
        ambiguous: list[bytes] = []
        for position, identity in enumerate(ids):
            if identity in known or identity in self._claimed:
                continue
            self._claimed.add(identity)
            if identity[HOUR_BYTES:] in self._ambiguous:
                ambiguous.append(identity)
                if self._skip_ambiguous:
                    continue
            fresh.append(position)
        if ambiguous and self._skip_ambiguous:
            with self._transaction():
                self._answer(self._post("", ambiguous), ambiguous)
            return Sifted(fresh, resent=0, skipped=len(ambiguous))
        return Sifted(fresh, resent=len(ambiguous), skipped=0)

    def posting(self, stream: str, ids: Sequence[bytes]) -> int:
        """Write down that events are about to be posted; return the number of this entry."""
        with self._lock, self._errors():
            return self._post(stream, ids)

    def accepted(self, number: int, ids: Sequence[bytes]) -> None:
        """Write down that Split accepted the events of an entry."""
        with self._lock, self._errors():
            with self._transaction() if self._ambiguous else nullcontext():  # a single statement is one by itself
                self._answer(number, ids)
            if sum(map(len, self._answered)) >= IDS_PER_FOLD:
                self._fold()

    def refused(self, number: int, ids: Sequence[bytes]) -> None:
        """Write down that Split did not accept the events of an entry."""
        with self._lock, self._errors():
            self._database.execute("DELETE FROM posted WHERE number = ?", (number,))

    def close(self) -> Size:
        """Close the file; return how large it is, and how large its write-ahead log was."""
        with self._lock, self._errors():
            if self._is_open:
                self._is_open = False
                with closing(self._database):
                    self._fold()
                    log_bytes = self._file.with_name(f"{self._file.name}-wal").stat().st_size
                self._size = Size(self._file.stat().st_size, log_bytes)
            return self._size

    def _post(self, stream: str, ids: Sequence[bytes]) -> int:
        row = (stream, max(self._now(), self._day() * SECONDS_PER_DAY), b"".join(ids))
        number = self._database.execute("INSERT INTO posted (stream, time, ids) VALUES (?, ?, ?)", row).lastrowid
        assert number is not None  # noqa: S101  # for mypy: a row was inserted
        return number

    def _answer(self, number: int, ids: Sequence[bytes]) -> None:
        self._database.execute("INSERT INTO answered VALUES (?)", (number,))
        self._answered.append(ids)
        self._settle(ids)
        newest = max(ids, default=NO_HOUR)
        if newest < NO_HOUR:
            self._newest_day = max(self._newest_day or 0, day_of(newest))

    def _fold(self) -> None:
        """Put the ids of answered entries into the large table."""
        ids = list(chain.from_iterable(self._answered))
        with self._transaction():
            self._accepted.insert(ids, self._day())
            self._database.execute("DELETE FROM posted WHERE number IN (SELECT number FROM answered)")
            self._database.execute("DELETE FROM answered")
        self._claimed.difference_update(ids)
        self._answered.clear()

    def _settle(self, ids: Sequence[bytes]) -> None:
        """Take events out of the leftovers that are not ambiguous any more."""
        if not self._ambiguous:
            return
        for identity in ids:
            number = self._ambiguous.pop(identity[HOUR_BYTES:], None)
            if number is None:
                continue
            leftover = self._leftovers[number]
            leftover.ids.discard(identity[HOUR_BYTES:])
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

    def _errors(self) -> AbstractContextManager[None]:
        return sqlite_errors("ledger_path", self._path, in_use=IN_USE, damaged=DAMAGED)
