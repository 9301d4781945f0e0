"""Reads a ledger without changing it: what it says of events that were posted."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import NamedTuple, Protocol

from target_split.common.errors import ConnectorError
from target_split.common.private_files import check_private_file
from target_split.common.sqlite_errors import sqlite_errors
from target_split.ledger.event_id import HOUR_BYTES
from target_split.ledger.ledger_file import APPLICATION_ID, SCHEMA_VERSION, AcceptedIds, split_ids

IN_USE = (
    "is in use by another run. Audit when the pipeline does not run: set the schedule of the audit apart from its own."
)
DAMAGED = "is not a ledger or is damaged ({error})."


class Known(NamedTuple):
    """Ids of events that Split accepted, and of those that were posted but got no answer."""

    accepted: set[bytes]
    ambiguous: set[bytes]


class LedgerReader(Protocol):
    """A ledger, opened for reading. Every method may raise `ConnectorError`: it cannot be read."""

    def known(self, ids: Sequence[bytes]) -> Known:
        """Return what the ledger says of events."""
        ...

    @property
    def days(self) -> tuple[int | None, int | None]:
        """The newest day on which an event was accepted, and the day of the newest event; None where not known."""
        ...

    def close(self) -> None:
        """Close it."""
        ...


class SQLiteLedgerReader:
    """The ledger in a file.

    Raises:
        ConnectorError: There is none, it is not a ledger, or a run uses it.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        file = Path(path).expanduser().absolute()
        if not check_private_file(file, "ledger_path"):
            raise ConnectorError(
                f"Setting 'ledger_path': there is no ledger {path}. Name the one of the pipeline that is to be audited."
            )
        with self._errors():
            self._database = sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True, isolation_level=None, timeout=1)
            try:
                self._open()
            except BaseException:
                self._database.close()
                raise

    def _open(self) -> None:
        execute = self._database.execute
        if execute("PRAGMA application_id").fetchone()[0] != APPLICATION_ID:
            raise ConnectorError(f"Setting 'ledger_path': {self._path} is not a ledger of this target.")
        if execute("PRAGMA user_version").fetchone()[0] != SCHEMA_VERSION:
            raise ConnectorError(
                f"Setting 'ledger_path': {self._path} was written by another version of this target. Run the pipeline "
                "once with this one, then audit."
            )
        self._accepted = AcceptedIds(self._database)
        answered = "SELECT ids FROM posted WHERE number {} (SELECT number FROM answered)"
        self._answered = {one for (ids,) in execute(answered.format("IN")) for one in split_ids(ids)}
        # An event that came again may have another hour than the first time: known by its hash.
        self._posted = {one[HOUR_BYTES:] for (ids,) in execute(answered.format("NOT IN")) for one in split_ids(ids)}

    def known(self, ids: Sequence[bytes]) -> Known:
        """Return what the ledger says of events."""
        with self._errors():
            accepted = self._accepted.known(ids)
        accepted |= self._answered.intersection(ids)
        return Known(accepted, {one for one in ids if one not in accepted and one[HOUR_BYTES:] in self._posted})

    @property
    def days(self) -> tuple[int | None, int | None]:
        """The newest day on which an event was accepted, and the day of the newest event; None where not known."""
        with self._errors():
            return self._accepted.last_day(), self._accepted.newest_event()

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    def _errors(self) -> AbstractContextManager[None]:
        return sqlite_errors("ledger_path", self._path, in_use=IN_USE, damaged=DAMAGED)
