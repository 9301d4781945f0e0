"""Opens the ledger: a file, or a database."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

from target_split.common.errors import ConnectorError
from target_split.ledger.ledger import Ledger
from target_split.ledger.ledger_reader import LedgerReader, SQLiteLedgerReader
from target_split.ledger.sqlite_ledger import SQLiteLedger

DATABASE_SCHEMES = frozenset({"postgresql", "postgres"})


def is_database(path: str) -> bool:
    """Whether setting `ledger_path` names a database, not a file."""
    return urlsplit(path).scheme in DATABASE_SCHEMES


def open_ledger(path: str, days: int, *, skip_ambiguous: bool, now: Callable[[], float]) -> Ledger:
    """Return the ledger.

    Args:
        path: File, or `postgresql://…`.
        days: How long an event is remembered.
        skip_ambiguous: Whether ambiguous events count as accepted.
        now: Returns seconds since 1970.

    Raises:
        ConnectorError: It cannot be used; the message names the setting.
    """
    if not is_database(path):
        return SQLiteLedger(path, days, skip_ambiguous=skip_ambiguous, now=now)
    with needing_postgres():
        from target_split.ledger.postgres_ledger import PostgresLedger  # noqa: PLC0415  # an extra
    return PostgresLedger(path, days, skip_ambiguous=skip_ambiguous, now=now)


def open_reader(path: str) -> LedgerReader:
    """Return the ledger, opened for reading only.

    Raises:
        ConnectorError: It cannot be read; the message names the setting.
    """
    if not is_database(path):
        return SQLiteLedgerReader(path)
    with needing_postgres():
        from target_split.ledger.postgres_reader import PostgresLedgerReader  # noqa: PLC0415  # an extra
    return PostgresLedgerReader(path)


@contextmanager
def needing_postgres() -> Iterator[None]:
    """Say which extra is missing."""
    try:
        yield
    except ImportError:
        raise ConnectorError(
            "Setting 'ledger_path': a ledger in PostgreSQL needs the extra 'postgres' of this package (psycopg)."
        ) from None
