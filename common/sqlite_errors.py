"""SQLite's errors as messages that name the setting and say what to do."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from .errors import ConnectorError


@contextmanager
def sqlite_errors(setting: str, file: object, *, in_use: str, damaged: str) -> Iterator[None]:
    """Raise whatever fails with an SQLite file as a `ConnectorError`.

    Args:
        setting: The setting that holds its path.
        file: The file as messages show it.
        in_use: What follows its name while another process uses it, such as `is in use by another run. …`.
        damaged: What follows its name when it is another file or damaged; `{error}` stands for SQLite's words.
    """
    subject = f"Setting '{setting}': {file}"
    try:
        yield
    except OSError as error:
        raise ConnectorError(f"{subject} cannot be used: {error.strerror}.") from error
    except sqlite3.OperationalError as error:
        is_locked = "locked" in str(error)
        raise ConnectorError(f"{subject} {in_use}" if is_locked else f"{subject} cannot be used: {error}.") from error
    except sqlite3.DatabaseError as error:
        raise ConnectorError(f"{subject} {damaged.format(error=error)}") from error
