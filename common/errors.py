"""The errors that every module may raise, without the SDK, which loads slowly.

* `ConnectorError` is final: the run, or the stream, cannot go on.
* `RetriableError` may succeed when tried again (`retry.py`); `http.py` draws its subclasses.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from urllib.parse import urlsplit


class ConnectorError(Exception):
    """A foreseen failure. Its message is for the user: what went wrong and which setting to change.

    It never holds a key, a token or personal data.
    """


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


def check_certificate(error: Exception, url: str) -> None:
    """Raise when a request failed because the server's certificate is not trusted: trying again would not help.

    Args:
        error: The failure, as `requests` raises it.
        url: URL of the request.

    Raises:
        ConnectorError: That is the reason.
    """
    if "CERTIFICATE_VERIFY_FAILED" in repr(error):
        raise ConnectorError(
            f"TLS certificate verification failed for {urlsplit(url).netloc}: it is not signed by a trusted CA. Check "
            "the URL; for a CA of your own, set the environment variable REQUESTS_CA_BUNDLE to its file."
        ) from None


def hint(name: str, known: Iterable[str]) -> str:
    """Return ` Did you mean '…'?` when a known name is close to the given one, else an empty text."""
    close = difflib.get_close_matches(name, list(known), n=1)
    return f" Did you mean '{close[0]}'?" if close else ""
