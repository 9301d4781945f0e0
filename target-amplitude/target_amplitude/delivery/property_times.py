"""When each user property was last set, kept from run to run in one SQLite file.

Amplitude applies updates in the order in which they arrive, whatever their times. Within a run, `last_values` keeps
an older value from overwriting a newer one; this file does so across runs. It holds hashes of users, names of
properties and times, no ids and no values.

A time is written once Amplitude has accepted the value and before the STATE that covers it is emitted. So what a run
reads again after a crash has a time that is missing here or equal, and is sent again; only what is older is not. A time
in the future, of a device whose clock is ahead, is written as the present: it must not hold off all values to come.
Amplitude's clock, too, tells what the future is: by a clock that is behind, all values would be of one moment.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from hashlib import blake2b
from pathlib import Path

import msgspec

from target_amplitude.common.errors import ConnectorError
from target_amplitude.common.private_files import PRIVATE_MODE, check_private_file
from target_amplitude.common.service_clock import not_in_future
from target_amplitude.common.sqlite_errors import sqlite_errors

SETTING = "property_times_path"
# Written into the file's header, so that a file of something else is not taken for ours.
APPLICATION_ID = 0x41505054
SCHEMA = f"""
BEGIN;
CREATE TABLE IF NOT EXISTS times (owner BLOB PRIMARY KEY, newest INTEGER NOT NULL, times BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS pruned (day INTEGER NOT NULL);
PRAGMA application_id = {APPLICATION_ID};
COMMIT;
"""
DIGEST_BYTES = 16
# A user whose properties have not changed for so long before the newest change of all is forgotten.
DAYS_KEPT = 90
MILLISECONDS_PER_DAY = 86_400_000
IN_USE = "is in use by another run. Give each pipeline its own file."
DAMAGED = (
    "is not a file of this target or is damaged ({error}). Restore a backup, or remove it: then values of this run "
    "count as the newest."
)

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(dict[str, int]).decode

# Property → epoch milliseconds of its value.
Times = Mapping[str, int]


class PropertyTimes:
    """Remembers times. The file is opened when first used, and held by one run at a time. Safe to use from any thread.

    Args:
        path: The file; made when it is not there.
        project: Tells the users of one Amplitude project from those of others.
        now: Returns seconds since 1970.
    """

    def __init__(self, path: str, project: str, now: Callable[[], float] = time.time) -> None:
        self._file = Path(path).expanduser().absolute()
        self._project = blake2b(f"{project}\0".encode(), digest_size=DIGEST_BYTES)
        self._now = now
        self._lock = threading.Lock()
        self._database: sqlite3.Connection | None = None

    def get(self, owner: str) -> dict[str, int]:
        """Return what is known of a user or group: property → epoch milliseconds.

        Raises:
            ConnectorError: The file cannot be used.
        """
        with self._lock, self._opened() as database:
            return stored(database, self._digest(owner))

    def record(self, changes: Iterable[tuple[str, Times]]) -> None:
        """Note the times of values that Amplitude accepted, of each user or group; an older time changes nothing.

        Raises:
            ConnectorError: The file cannot be used.
        """
        now = self._now()
        with self._lock, self._opened() as database:
            database.execute("BEGIN IMMEDIATE")
            for owner, times in changes:
                digest = self._digest(owner)
                merged = stored(database, digest)
                for name, moment in times.items():
                    merged[name] = max(round(not_in_future(moment / 1000, now) * 1000), merged.get(name, 0))
                row = (digest, max(merged.values()), _encode(merged))
                database.execute("INSERT OR REPLACE INTO times VALUES (?, ?, ?)", row)
            database.execute("COMMIT")

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            if self._database is not None:
                self._database.close()
                self._database = None

    def _digest(self, owner: str) -> bytes:
        digest = self._project.copy()
        digest.update(owner.encode(errors="surrogatepass"))
        return digest.digest()

    @contextmanager
    def _opened(self) -> Iterator[sqlite3.Connection]:
        with sqlite_errors(SETTING, self._file, in_use=IN_USE, damaged=DAMAGED):
            if self._database is None:
                self._database = self._open()
            yield self._database

    def _open(self) -> sqlite3.Connection:
        if not check_private_file(self._file, SETTING):
            self._file.touch(PRIVATE_MODE)
        database = sqlite3.connect(self._file, isolation_level=None, check_same_thread=False, timeout=1)
        try:
            database.execute("PRAGMA locking_mode = EXCLUSIVE")
            database.execute("PRAGMA journal_mode = WAL")
            database.execute("PRAGMA synchronous = FULL")
            self._refuse_others(database)
            database.executescript(SCHEMA)
            self._prune(database)
        except BaseException:
            database.close()
            raise
        return database

    def _refuse_others(self, database: sqlite3.Connection) -> None:
        is_new = not database.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone()
        if not is_new and database.execute("PRAGMA application_id").fetchone()[0] != APPLICATION_ID:
            raise ConnectorError(f"Setting '{SETTING}': {self._file} is a database of something else.")

    def _prune(self, database: sqlite3.Connection) -> None:
        """Forget what is too old, once a day. Neither a clock nor a time that is far ahead makes it forget more."""
        now = self._now() * 1000
        today = int(now // MILLISECONDS_PER_DAY)
        last = database.execute("SELECT day FROM pruned").fetchone()
        if last is not None and last[0] == today:
            return
        newest = database.execute("SELECT max(newest) FROM times WHERE newest <= ?", (now,)).fetchone()[0] or 0
        database.execute("BEGIN IMMEDIATE")
        database.execute("DELETE FROM times WHERE newest < ?", (newest - DAYS_KEPT * MILLISECONDS_PER_DAY,))
        database.execute("DELETE FROM pruned")
        database.execute("INSERT INTO pruned VALUES (?)", (today,))
        database.execute("COMMIT")


def stored(database: sqlite3.Connection, digest: bytes) -> dict[str, int]:
    """Return the times of one user or group."""
    row = database.execute("SELECT times FROM times WHERE owner = ?", (digest,)).fetchone()
    try:
        return {} if row is None else _decode(row[0])
    except msgspec.MsgspecError as error:
        raise sqlite3.DatabaseError(str(error)) from error
