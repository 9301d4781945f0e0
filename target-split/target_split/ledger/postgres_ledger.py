"""The ledger in PostgreSQL, which several runs may use at a time: parallel backfill workers on several machines.

One row an event: claimed by a run, posted by it, accepted. Whether a run is still at work tells a lock that its session
holds and that ends with it. What a run that ended had posted is ambiguous; what it had only claimed was never sent.
What a run at work has claimed is that run's to deliver: its STATE does not pass before.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from enum import IntEnum
from typing import Any

import psycopg

from target_split.common.errors import ConnectorError
from target_split.ledger.event_id import NO_HOUR
from target_split.ledger.ledger import SECONDS_PER_DAY, Leftover, Sifted, Size, day_of, oldest_day

# Tells our locks from those of other programs in the same database.
LOCK_CLASS = 0x53504C54

# Creating tables takes turns: two runs that start together must not fail over it.
SCHEMA = f"""
SELECT pg_advisory_xact_lock({LOCK_CLASS});
CREATE TABLE IF NOT EXISTS target_split_events (
  id bytea PRIMARY KEY, day integer NOT NULL, run integer NOT NULL, state smallint NOT NULL, stream text
);
CREATE INDEX IF NOT EXISTS target_split_pending ON target_split_events (run) WHERE state < 2;
CREATE SEQUENCE IF NOT EXISTS target_split_run AS integer CYCLE;
CREATE TABLE IF NOT EXISTS target_split_pruned (day integer NOT NULL);
"""
CLAIM = """
INSERT INTO target_split_events (id, day, run, state) SELECT unnest(%(ids)s::bytea[]), %(day)s, %(run)s, 0
ON CONFLICT DO NOTHING RETURNING id
"""
TAKE_OVER = """
UPDATE target_split_events AS taken SET run = %(run)s, state = 0
FROM (SELECT id, state FROM target_split_events WHERE id = ANY(%(ids)s) AND run = ANY(%(ended)s) AND state < 2
      FOR UPDATE) AS found
WHERE taken.id = found.id RETURNING found.id, found.state
"""
HELD = "SELECT DISTINCT run FROM target_split_events WHERE id = ANY(%(ids)s) AND run <> %(run)s AND state < 2"
SET_STATE = "UPDATE target_split_events SET state = %s, day = %s, stream = %s WHERE id = ANY(%s) AND run = %s"
LEFTOVERS = "SELECT run, stream, array_agg(id) FROM target_split_events WHERE state = 1 GROUP BY run, stream"


class State(IntEnum):
    """What became of an event."""

    CLAIMED = 0
    POSTED = 1
    ACCEPTED = 2


class PostgresLedger:
    """The `Ledger` in a database; for its arguments see `open_ledger`.

    Safe to use from any thread, and from several runs at a time.

    Raises:
        ConnectorError: The database cannot be reached or written.
    """

    def __init__(self, url: str, days: int, *, skip_ambiguous: bool, now: Callable[[], float] = time.time) -> None:
        self._skip_ambiguous = skip_ambiguous
        self._now = now
        self._lock = threading.Lock()
        self._size = Size()
        with database_errors():
            self._database = psycopg.connect(url, autocommit=True, connect_timeout=10, application_name="target-split")
            try:
                self._open(days)
            except BaseException:
                self._database.close()
                raise

    def _open(self, days: int) -> None:
        with self._database.transaction():
            self._database.execute(SCHEMA.encode())
        self._run = self._value("SELECT nextval('target_split_run')")
        self._value("SELECT pg_advisory_lock(%s::int, %s::int)", LOCK_CLASS, self._run)
        self._newest_day = self._newest_event()
        self._prune(days)
        self._leftovers = self._read_leftovers()

    def _value(self, statement: str, *parameters: Any) -> Any:
        row = self._database.execute(statement.encode(), parameters).fetchone()
        return None if row is None else row[0]

    def _newest_event(self) -> int | None:
        newest = self._value("SELECT id FROM target_split_events WHERE id < %s ORDER BY id DESC LIMIT 1", NO_HOUR)
        return None if newest is None else day_of(bytes(newest))

    def _prune(self, days: int) -> None:
        today = int(self._now() // SECONDS_PER_DAY)
        if self._value("SELECT max(day) FROM target_split_pruned") == today:
            return
        last_run = self._value("SELECT max(day) FROM target_split_events")
        oldest = oldest_day(today, last_run, self._newest_day, days)
        with self._database.transaction():
            self._database.execute("DELETE FROM target_split_events WHERE day < %s", (oldest,))
            self._database.execute("DELETE FROM target_split_pruned")
            self._database.execute("INSERT INTO target_split_pruned VALUES (%s)", (today,))

    def _read_leftovers(self) -> list[Leftover]:
        found = self._database.execute(LEFTOVERS.encode()).fetchall()
        ended = self._ended({run for run, *_ in found})
        return [Leftover(stream or "", set(map(bytes, ids))) for run, stream, ids in found if run in ended]

    def _ended(self, runs: set[int]) -> list[int]:
        """Return those runs that are not at work any more."""
        ended = []
        for run in sorted(runs - {self._run}):
            if self._value("SELECT pg_try_advisory_lock(%s::int, %s::int)", LOCK_CLASS, run):
                self._value("SELECT pg_advisory_unlock(%s::int, %s::int)", LOCK_CLASS, run)
                ended.append(run)
        return ended

    @property
    def leftovers(self) -> list[Leftover]:
        """Requests of runs that ended before their answer came."""
        return self._leftovers

    def sift(self, ids: Sequence[bytes]) -> Sifted:
        """Tell which events are to be posted, and claim these for this run."""
        distinct = sorted(set(ids))  # in one order in all runs, or they would wait for each other
        parameters = {"ids": distinct, "day": self._day(), "run": self._run}
        with self._lock, database_errors():
            claimed = {bytes(identity) for (identity,) in self._database.execute(CLAIM, parameters)}
            taken: dict[bytes, int] = {}
            if len(claimed) < len(distinct):
                held = {run for (run,) in self._database.execute(HELD, parameters)}
                parameters["ended"] = self._ended(held)
                taken = {bytes(identity): state for identity, state in self._database.execute(TAKE_OVER, parameters)}
        ambiguous = {identity for identity, state in taken.items() if state == State.POSTED}
        wanted = claimed | taken.keys()
        if self._skip_ambiguous and ambiguous:
            self._set_state(State.ACCEPTED, None, sorted(ambiguous))
            wanted -= ambiguous
        skipped = len(ambiguous) if self._skip_ambiguous else 0
        first = {identity: position for position, identity in reversed([*enumerate(ids)])}
        return Sifted(sorted(first[identity] for identity in wanted), len(ambiguous) - skipped, skipped)

    def posting(self, stream: str, ids: Sequence[bytes]) -> int:
        """Write down that events are about to be posted; the entry needs no number here."""
        self._set_state(State.POSTED, stream, ids)
        return 0

    def accepted(self, number: int, ids: Sequence[bytes]) -> None:
        """Write down that Split accepted events."""
        self._set_state(State.ACCEPTED, None, ids)

    def refused(self, number: int, ids: Sequence[bytes]) -> None:
        """Write down that Split did not accept events."""
        self._set_state(State.CLAIMED, None, ids)

    def _set_state(self, state: State, stream: str | None, ids: Sequence[bytes]) -> None:
        with self._lock, database_errors():
            self._database.execute(SET_STATE, (int(state), self._day(), stream, list(ids), self._run))

    def _day(self) -> int:
        return max(int(self._now() // SECONDS_PER_DAY), self._newest_day or 0)

    def close(self) -> Size:
        """Give up what was claimed and not posted, and close the connection; return how large the table is."""
        with self._lock, database_errors():
            if not self._database.closed:
                self._database.execute(
                    "DELETE FROM target_split_events WHERE run = %s AND state = %s", (self._run, int(State.CLAIMED))
                )
                self._size = Size(self._value("SELECT pg_total_relation_size('target_split_events')"))
                self._database.close()
        return self._size


@contextmanager
def database_errors() -> Iterator[None]:
    """Say the database's errors in a sentence that names the setting, never the URL: it may hold a password."""
    try:
        yield
    except psycopg.errors.InsufficientPrivilege as error:
        raise ConnectorError(
            "Setting 'ledger_path': the user may not create tables or write in the database. Grant CREATE on the "
            "schema, or name another user."
        ) from error
    except psycopg.errors.ReadOnlySqlTransaction as error:
        raise ConnectorError(
            "Setting 'ledger_path': the database is read-only. Name the primary server, not a replica."
        ) from error
    except (psycopg.OperationalError, psycopg.InterfaceError) as error:
        raise ConnectorError(
            "Setting 'ledger_path': the database cannot be reached, or went away. Nothing is lost: run again when "
            f"it is back ({type(error).__name__})."
        ) from error
    except psycopg.Error as error:
        raise ConnectorError(f"Setting 'ledger_path': the database cannot be used ({type(error).__name__}).") from error
