"""The error of a foreseen failure, and the nearest right name for a wrong one. Without the SDK, which loads slowly.

The same file stands in each connector (they share no library); a test holds the copies equal.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class ConnectorError(Exception):
    """A foreseen failure. Its message is for the user: what went wrong and which setting to change.

    It never holds a key, a token or a person's data.
    """


def hint(name: str, known: Iterable[str]) -> str:
    """Return ` Did you mean '…'?` when a known name is close to the given one, else an empty text."""
    close = difflib.get_close_matches(name, list(known), n=1)
    return f" Did you mean '{close[0]}'?" if close else ""
