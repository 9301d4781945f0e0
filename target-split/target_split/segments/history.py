"""What earlier runs left in each segment: the keys it held, and when changes that Amplitude pushed were computed.

To read 100,000 keys from Split can take a thousand requests; to ask how many there are takes one. So the keys that a
run leaves in a segment are remembered, and trusted while their number is right.

The file lies beside the ledger, is private, and holds keys of people.
"""

from __future__ import annotations

import sqlite3
import zlib
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import msgspec

from target_split.common.private_files import PRIVATE_MODE, check_private_file
from target_split.common.sqlite_errors import sqlite_errors
from target_split.ledger.ledger import SECONDS_PER_DAY
from target_split.mapping.segments import ListName

SUFFIX = ".segments"
IN_USE = "is in use by another run. Give each pipeline its own ledger."
DAMAGED = "is damaged ({error}). Remove it; segments are then read from Split again."
SCHEMA = """
CREATE TABLE IF NOT EXISTS held (segment TEXT PRIMARY KEY, runs INTEGER NOT NULL, keys BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS changed (
  segment TEXT NOT NULL, key TEXT NOT NULL, time REAL NOT NULL, is_added INTEGER NOT NULL, PRIMARY KEY (segment, key)
) WITHOUT ROWID;
"""

# Pushed changes matter until the next full sync; a push that comes later than this is beyond any retry.
DAYS_OF_CHANGES = 30

decode_keys = msgspec.msgpack.Decoder(list[str]).decode


@dataclass(frozen=True)
class Held:
    """Keys that a run left in a segment.

    Attributes:
        keys: All of them.
        runs: How many runs have trusted them since they were read from Split.
    """

    keys: set[str]
    runs: int


@dataclass(frozen=True)
class PushedChange:
    """The newest change to a key that Amplitude pushed.

    Attributes:
        time: When Amplitude computed it, in seconds since 1970.
        is_added: Whether the key entered the cohort, else it left.
    """

    time: float
    is_added: bool


@dataclass
class PushedChanges:
    """Changes to the keys of one cohort that Amplitude pushed.

    Attributes:
        group: The cohort's id.
        name: What the cohort is called.
        by_key: By key, the newest change of each.
    """

    stream: str
    group: str
    name: ListName
    traffic_type: str
    by_key: dict[str, PushedChange]

    def add(self, others: PushedChanges) -> bool:
        """Add changes, in whatever order they come; return False when they cannot be applied together with these."""
        if (others.stream, others.traffic_type) != (self.stream, self.traffic_type):
            return False
        for key, change in others.by_key.items():
            before = self.by_key.get(key)
            if before is None or change.time >= before.time:
                self.by_key[key] = change
        return True


class SegmentHistory:
    """Remembers segments between runs. Used from one thread; a file is held by one run at a time.

    Args:
        ledger_path: The ledger, beside which the file lies; None to remember nothing beyond the run.

    Raises:
        ConnectorError: The file is in use, damaged or cannot be written.
    """

    def __init__(self, ledger_path: str | None) -> None:
        self._path = ":memory:"
        if ledger_path is not None:
            file = Path(ledger_path + SUFFIX).expanduser().absolute()
            self._path = str(file)
            if not check_private_file(file, "ledger_path"):
                file.touch(PRIVATE_MODE)
        with self._errors():
            self._database = sqlite3.connect(self._path, isolation_level=None, timeout=1)
            self._database.execute("PRAGMA locking_mode = EXCLUSIVE")
            self._database.execute("PRAGMA journal_mode = WAL")
            self._database.executescript(SCHEMA)

    def held(self, segment: str) -> Held | None:
        """Return what a run left in a segment, if that is known.

        Args:
            segment: Name of the segment, with all that tells it from others.
        """
        with self._errors():
            row = self._database.execute("SELECT keys, runs FROM held WHERE segment = ?", (segment,)).fetchone()
        if row is None:
            return None
        try:
            return Held(set(decode_keys(zlib.decompress(row[0]))), row[1])
        except (zlib.error, msgspec.MsgspecError):
            return None

    def remember(self, segment: str, keys: Iterable[str], runs: int) -> None:
        """Note what a segment holds now."""
        packed = zlib.compress(msgspec.msgpack.encode(sorted(keys)), 1)
        with self._errors():
            self._database.execute("INSERT OR REPLACE INTO held VALUES (?, ?, ?)", (segment, runs, packed))

    def forget(self, segment: str) -> None:
        """Note that a segment is about to change: until `remember`, nobody knows what it holds."""
        with self._errors():
            self._database.execute("DELETE FROM held WHERE segment = ?", (segment,))

    def changes(self, segment: str, since: float) -> dict[str, PushedChange]:
        """Return the newest change of each key that was computed after a moment."""
        with self._errors():
            found = self._database.execute(
                "SELECT key, time, is_added FROM changed WHERE segment = ? AND time > ?", (segment, since)
            )
            return {key: PushedChange(time, bool(is_added)) for key, time, is_added in found}

    def record_changes(self, segment: str, changes: Mapping[str, PushedChange]) -> None:
        """Note changes that were applied, and drop those that are too old to matter."""
        rows = [(segment, key, change.time, change.is_added) for key, change in changes.items()]
        newest = max((change.time for change in changes.values()), default=0.0)
        with self._errors():
            self._database.execute("BEGIN IMMEDIATE")
            self._database.executemany("INSERT OR REPLACE INTO changed VALUES (?, ?, ?, ?)", rows)
            oldest = newest - DAYS_OF_CHANGES * SECONDS_PER_DAY
            self._database.execute("DELETE FROM changed WHERE segment = ? AND time < ?", (segment, oldest))
            self._database.execute("COMMIT")

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    def _errors(self) -> AbstractContextManager[None]:
        return sqlite_errors("ledger_path", self._path, in_use=IN_USE, damaged=DAMAGED)
