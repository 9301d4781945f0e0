"""What Amplitude's answers mean: which may pass when asked again, which never will, and the sentence for each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime

from tap_amplitude.common.errors import ConnectorError

RETRY_TIMEOUT_SECONDS = 31.0
# The dashboard's budget counts five minutes, that of single cohorts ten (amplitude.md of each page):
# https://amplitude.com/docs/apis/analytics/dashboard-rest, https://amplitude.com/docs/apis/analytics/behavioral-cohorts
THROTTLED_RETRY_TIMEOUT_SECONDS = 630.0
UNREACHED_RETRY_TIMEOUT_SECONDS = 3.0
# A clock that is ahead makes hours look complete that are not.
MAX_CLOCK_AHEAD = timedelta(minutes=5)
MAX_QUOTED_CHARACTERS = 200


class PassingError(Exception):
    """A failure that may pass when asked again.

    Attributes:
        retry_timeout_seconds: How long to go on asking.
        pause_seconds: The wait that the service named, if any.
    """

    def __init__(
        self, message: str, *, retry_timeout_seconds: float = RETRY_TIMEOUT_SECONDS, pause_seconds: float | None = None
    ) -> None:
        super().__init__(message)
        self.retry_timeout_seconds = retry_timeout_seconds
        self.pause_seconds = pause_seconds


class TooLargeError(Exception):
    """Amplitude cannot give the window as one archive.

    Attributes:
        may_pass: It was a time-out, which may also come of a busy hour at Amplitude.
    """

    def __init__(self, message: str, *, may_pass: bool) -> None:
        super().__init__(message)
        self.may_pass = may_pass


class NotFoundError(ConnectorError):
    """Status 404: for exports an empty window, for all else a failure."""


class NoPermissionError(ConnectorError):
    """The key is right, but may not read this."""


@dataclass(frozen=True)
class Secrets:
    """What must never be shown; Amplitude echoes keys in its errors."""

    texts: tuple[str, ...]

    def hide(self, text: str) -> str:
        """Return a text without them."""
        for secret in self.texts:
            text = text.replace(secret, "***")
        return text


def failure(status: int, body: str, headers: Mapping[str, str], *, what: str, region: str) -> Exception:
    """Return the failure that an answer stands for.

    Args:
        status: HTTP status, not one of success.
        body: The beginning of the answer, without secrets.
        headers: The answer's headers.
        what: What was asked for, in words.
        region: The setting.
    """
    said = quoted(body)
    if status == 401 or "invalid api key" in body.lower():
        return ConnectorError(
            f"Amplitude does not know this pair of keys in region '{region}'. Check 'api_key' and 'secret_key' (both of"
            " the same project); the keys of an EU project need 'region': 'eu', all others 'us'."
        )
    if status in {402, 403}:
        return NoPermissionError(
            f"Amplitude does not let this project read {what}{said}. The plan may not include it: deselect the stream."
        )
    if status == 404:
        return NotFoundError(f"Amplitude does not know {what}{said}.")
    if status == 429:
        return PassingError(
            f"Amplitude's quota for {what} is used up{said}.",
            retry_timeout_seconds=THROTTLED_RETRY_TIMEOUT_SECONDS,
            pause_seconds=pause_of(headers),
        )
    if status >= 500 or status == 408:
        return PassingError(f"Amplitude failed at {what} (status {status}){said}.", pause_seconds=pause_of(headers))
    return ConnectorError(f"Amplitude refused {what} (status {status}){said}.")


def export_failure(status: int, body: str, headers: Mapping[str, str], *, what: str, region: str) -> Exception:
    """Return the failure that an answer of the Export API stands for.

    400 and 504 mean "too much data" there (https://amplitude.com/docs/apis/analytics/export).
    """
    if status in {400, 504} and "invalid api key" not in body.lower():
        return TooLargeError(f"Amplitude cannot give {what} at once{quoted(body)}.", may_pass=status == 504)
    return failure(status, body, headers, what=what, region=region)


def quoted(body: str) -> str:
    """Return what Amplitude said as an insertion, when it is words and no page of HTML."""
    words = " ".join(body.split())
    if not words or words.startswith("<"):
        return ""
    return f" - it says: {words[:MAX_QUOTED_CHARACTERS]!r}"


def pause_of(headers: Mapping[str, str]) -> float | None:
    """Return the wait that `Retry-After` names, in seconds."""
    text = headers.get("Retry-After", "")
    return float(text) if text.isdecimal() else None


def clock_failure(date_header: str | None, now: datetime) -> ConnectorError | None:
    """Return a failure when this machine's clock is ahead of the answer's `Date`."""
    try:
        ahead = now - parsedate_to_datetime(date_header or "")
    except (ValueError, TypeError):
        return None
    if ahead <= MAX_CLOCK_AHEAD:
        return None
    return ConnectorError(
        f"The clock of this machine is {ahead // timedelta(minutes=1)} minutes ahead of Amplitude's: hours would be"
        " read before they are complete. Set it right (NTP) and run again; no hour was skipped."
    )
