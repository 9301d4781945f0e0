"""Reads the ledger in PostgreSQL without changing it. A replica will do, and a user who may only read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import psycopg

from target_split.common.errors import ConnectorError
from target_split.ledger.event_id import NO_HOUR
from target_split.ledger.ledger import day_of
from target_split.ledger.ledger_reader import Known
from target_split.ledger.postgres_ledger import LOCK_CLASS, State, database_errors

READ_ONLY = "-c default_transaction_read_only=on"
# What a run at work has claimed may be on its way: as ambiguous as what a run that ended had posted.
FOUND = f"""
SELECT id, state = {State.ACCEPTED:d} FROM target_split_events
WHERE id = ANY(%s) AND (state > {State.CLAIMED:d} OR run IN (
  SELECT objid::integer FROM pg_locks JOIN pg_database ON pg_database.oid = pg_locks.database
  WHERE datname = current_database() AND locktype = 'advisory' AND classid::bigint = {LOCK_CLASS} AND objsubid = 2))
"""  # noqa: S608  # numbers of our own
LAST_RUN = "SELECT max(day) FROM target_split_events WHERE state = %s"
NEWEST = "SELECT id FROM target_split_events WHERE state = %s AND id < %s ORDER BY id DESC LIMIT 1"


class PostgresLedgerReader:
    """The ledger in a database. Runs may go on meanwhile.

    Raises:
        ConnectorError: The database cannot be reached or read, or holds no ledger.
    """

    def __init__(self, url: str) -> None:
        with reading_errors():
            self._database = psycopg.connect(
                url, autocommit=True, connect_timeout=10, application_name="target-split-audit", options=READ_ONLY
            )
            try:
                self._database.execute("SELECT FROM target_split_events LIMIT 1")
            except BaseException:
                self._database.close()
                raise

    def known(self, ids: Sequence[bytes]) -> Known:
        """Return what the ledger says of events."""
        with reading_errors():
            found = {
                bytes(one): is_accepted for one, is_accepted in self._database.execute(FOUND.encode(), (list(ids),))
            }
        accepted = {one for one, is_accepted in found.items() if is_accepted}
        return Known(accepted, found.keys() - accepted)

    @property
    def days(self) -> tuple[int | None, int | None]:
        """The newest day on which an event was accepted, and the day of the newest event; None where not known."""
        with reading_errors():
            last_run = self._database.execute(LAST_RUN, (int(State.ACCEPTED),)).fetchone()
            newest = self._database.execute(NEWEST, (int(State.ACCEPTED), NO_HOUR)).fetchone()
        return last_run[0] if last_run else None, day_of(bytes(newest[0])) if newest else None

    def close(self) -> None:
        """Close the connection."""
        self._database.close()


@contextmanager
def reading_errors() -> Iterator[None]:
    """Say the database's errors in a sentence that names the setting."""
    with database_errors():
        try:
            yield
        except psycopg.errors.UndefinedTable as error:
            raise ConnectorError(
                "Setting 'ledger_path': the database holds no ledger yet. Name the one of the pipeline that is to be "
                "audited."
            ) from error
        except psycopg.errors.InsufficientPrivilege as error:
            raise ConnectorError(
                "Setting 'ledger_path': the user may not read the ledger. Grant SELECT on target_split_events, or name "
                "another user."
            ) from error
