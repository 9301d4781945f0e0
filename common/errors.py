"""The errors that every module may raise, without the SDK, which loads slowly.

* `ConnectorError` is final: the run, or the stream, cannot go on.
* `RetriableError` may succeed when tried again (`retry.py`); `http.py` draws its subclasses.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class ConnectorError(Exception):
    """An expected failure. Its message is for the user: what went wrong and which setting to change.

    It never holds a key, a token or personal data.
    """


class DeadlineError(ConnectorError):
    """All attempts failed, and the time for them is over."""


class RetriableError(Exception):
    """A failure that may not happen again.

    Args:
        message: What happened, without a full stop, so that it fits into other messages. No keys, no personal data.
        retry_after: Seconds that the service asks to wait, if it does.
        timeout_seconds: Time limit for failures of this kind; by default that of the `Retry`.
    """

    def __init__(self, message: str, *, retry_after: float | None = None, timeout_seconds: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after
        self.timeout_seconds = timeout_seconds


def hint(name: str, known: Iterable[str]) -> str:
    """Return ` Did you mean '…'?` when a known name is close to the given one, else an empty text."""
    close = difflib.get_close_matches(name, list(known), n=1)
    return f" Did you mean '{close[0]}'?" if close else ""
