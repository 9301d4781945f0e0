"""The error of a foreseen failure, and sentences that all connectors say. Without the SDK, which loads slowly.

The same file stands in each connector (they share no library); a test holds the copies equal.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from urllib.parse import urlsplit


class ConnectorError(Exception):
    """A foreseen failure. Its message is for the user: what went wrong and which setting to change.

    It never holds a key, a token or a person's data.
    """


def check_certificate(error: Exception, url: str) -> None:
    """Raise when a request failed because the server's certificate is not trusted: trying again would not help.

    Args:
        error: The failure, as `requests` raises it.
        url: What was asked.

    Raises:
        ConnectorError: That is the reason.
    """
    if "CERTIFICATE_VERIFY_FAILED" in repr(error):
        raise ConnectorError(
            f"No secure connection to {urlsplit(url).netloc}: nobody trusted vouches for its certificate. Is the "
            "address right? For a certificate authority of your own, name its file in the variable REQUESTS_CA_BUNDLE."
        ) from None


def hint(name: str, known: Iterable[str]) -> str:
    """Return ` Did you mean '…'?` when a known name is close to the given one, else an empty text."""
    close = difflib.get_close_matches(name, list(known), n=1)
    return f" Did you mean '{close[0]}'?" if close else ""
