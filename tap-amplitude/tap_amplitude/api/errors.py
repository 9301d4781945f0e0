"""What each of Amplitude's answers means: one table for the Export API, one for all other APIs.

Exceptions:

    ConnectorError              the run, or the stream, fails
    ├── InvalidKeysError        the keys are not known in this region
    ├── NoPermissionError       the keys are valid, but may not read this stream
    ├── DamagedDownloadError    a body is not whole, or not what was requested
    └── RefusedError            the request is wrong, others may not be
        └── NotFoundError       … no such object
    RetriableError              may succeed when tried again
    TooLargeError               the export window must be divided
    NoDataError                 the export window holds no events
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import partial

from tap_amplitude.common.errors import ConnectorError, RetriableError
from tap_amplitude.common.retry import retry_after_seconds

# A clock that is ahead makes hours look complete that are not.
MAX_CLOCK_AHEAD = timedelta(minutes=5)
MAX_QUOTED_CHARACTERS = 200


class TooLargeError(Exception):
    """Amplitude cannot give the window as one archive.

    Attributes:
        retriable: It was a time-out, which a busy hour at Amplitude may also cause.
    """

    def __init__(self, message: str, *, retriable: bool = False) -> None:
        super().__init__(message)
        self.retriable = retriable


class NoDataError(Exception):
    """Amplitude's own answer for an export window without events."""


class DamagedDownloadError(ConnectorError):
    """A body that is not whole, or not what was requested. The message says what is wrong with it, as a clause.

    Attributes:
        may_pass: Whether another download may well bring another body, even where the end of this one was marked.
    """

    def __init__(self, message: str, *, may_pass: bool = False) -> None:
        super().__init__(message)
        self.may_pass = may_pass


class InvalidKeysError(ConnectorError):
    """Amplitude does not recognize the keys."""


class RefusedError(ConnectorError):
    """Amplitude refused this request; others may succeed."""


class NotFoundError(RefusedError):
    """Amplitude does not know what was requested."""


class NoPermissionError(ConnectorError):
    """The key is valid, but may not read this."""


@dataclass(frozen=True)
class Failure:
    """An answer that is not a success.

    Attributes:
        body: Its beginning, redacted.
        what: What was requested, in words.
    """

    status: int
    body: str
    headers: Mapping[str, str]
    what: str
    region: str


@dataclass(frozen=True)
class Reaction:
    """One line of a table; the first that matches an answer applies.

    Attributes:
        statuses: The statuses it is for.
        text: What the body must contain, when that matters.
        kind: The exception to raise.
        message: For the user; `{what}`, `{status}`, `{region}` and `{said}` (Amplitude's own words) are filled in.
    """

    statuses: Collection[int]
    text: re.Pattern[str] | None
    kind: Callable[[str], Exception]
    message: str

    def matches(self, failure: Failure) -> bool:
        """Whether it is for this answer."""
        return failure.status in self.statuses and (self.text is None or self.text.search(failure.body) is not None)

    def error(self, failure: Failure) -> Exception:
        """Return the exception that the answer stands for."""
        message = self.message.format(
            what=failure.what, status=failure.status, region=failure.region, said=quoted(failure.body)
        )
        if self.kind is RetriableError:
            return RetriableError(message, retry_after=retry_after_seconds(failure.headers))
        return self.kind(message)


ANY = range(100, 600)
INVALID_KEYS = re.compile("invalid api key", re.IGNORECASE)
NO_DATA = re.compile("raw data files were not found", re.IGNORECASE)
# A refusal of the request as such; anything else with status 400 means "over 4 GB".
INVALID_REQUEST = re.compile(r"\b(invalid|malformed|missing|must be|required|format|date)\b", re.IGNORECASE)

WRONG_KEYS = (
    "Amplitude does not recognize this pair of keys in region '{region}'. Check 'api_key' and 'secret_key' (both of the"
    " same project); keys of an EU project need 'region': 'eu', all others 'us'."
)
ANSWERS = (
    Reaction(ANY, INVALID_KEYS, InvalidKeysError, WRONG_KEYS),
    Reaction({401}, None, InvalidKeysError, WRONG_KEYS),
    Reaction(
        {402, 403},
        None,
        NoPermissionError,
        "Amplitude does not let this project read {what}{said}. Its plan may not include it: deselect the stream.",
    ),
    Reaction({404}, None, NotFoundError, "Amplitude does not know {what}{said}."),
    Reaction({429}, None, RetriableError, "Amplitude's rate limit for {what} is reached{said}."),
    Reaction(
        {408, *range(500, 600)}, None, RetriableError, "Amplitude failed to return {what} (status {status}){said}."
    ),
    Reaction(
        range(300, 400),
        None,
        ConnectorError,
        "The request for {what} was redirected (status {status}): set 'api_url' to the API's own host.",
    ),
    Reaction(ANY, None, RefusedError, "Amplitude refused the request for {what} (status {status}){said}."),
)
# Sources: https://amplitude.com/docs/apis/analytics/export ("Status codes"); the body of an empty window is the one
# that existing clients see. A proxy's or another host's 404 is never an empty window.
EXPORT_ANSWERS = (
    Reaction({404}, NO_DATA, NoDataError, "There are no events in {what}."),
    Reaction(
        {404},
        None,
        ConnectorError,
        "The answer for {what} is a 404 that is not from Amplitude's Export API{said}: check 'api_url' and the proxy.",
    ),
    Reaction(ANY, INVALID_KEYS, InvalidKeysError, WRONG_KEYS),
    Reaction(
        {400}, INVALID_REQUEST, ConnectorError, "Amplitude refused the request for {what} (status {status}){said}."
    ),
    Reaction({400}, None, TooLargeError, "Amplitude cannot export {what} at once{said}."),
    Reaction({504}, None, partial(TooLargeError, retriable=True), "Amplitude timed out on {what}{said}."),
    *ANSWERS,
)
# A signed link of the file store is valid for a minute: any failure calls for a new one.
FILE_STORE_ANSWERS = (Reaction(ANY, None, RetriableError, "The link to {what} is no longer valid (status {status})."),)


def error_of(failure: Failure, table: tuple[Reaction, ...]) -> Exception:
    """Return the exception that an answer stands for, by the first matching line of a table."""
    return next(reaction for reaction in table if reaction.matches(failure)).error(failure)


def quoted(body: str) -> str:
    """Return what Amplitude said as an insertion, when it is words rather than a page of HTML."""
    words = " ".join(body.split())
    if not words or words.startswith("<"):
        return ""
    return f" - it says: {words[:MAX_QUOTED_CHARACTERS]!r}"


def require_true_clock(date_header: str | None) -> None:
    """Compare this machine's clock with an answer's `Date`.

    Raises:
        ConnectorError: It is more than five minutes ahead.
    """
    try:
        ahead = datetime.now(UTC) - parsedate_to_datetime(date_header or "")
    except (ValueError, TypeError, OverflowError):
        return
    if ahead > MAX_CLOCK_AHEAD:
        raise ConnectorError(
            f"This machine's clock is {ahead // timedelta(minutes=1)} minutes ahead of Amplitude's, so hours or "
            "days would be read before they are complete. Correct it (NTP) and run again; nothing was skipped."
        )
