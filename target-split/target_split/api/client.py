"""All HTTP to Split: one pooled session, errors told apart by what they mean, patience between tries."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import backoff
import msgspec
import requests
from requests.adapters import HTTPAdapter
from urllib3.exceptions import MaxRetryError, NewConnectionError

from target_split.common.errors import ConnectorError, check_certificate
from target_split.common.target.summary import Summary

CONNECT_SECONDS = 10.0
READ_SECONDS = 60.0

# Waiting between tries: about 1, 2, 4 … seconds, each with chance so that lanes do not come back all at once.
FIRST_WAIT_SECONDS = 1.0
LONGEST_WAIT_SECONDS = 60.0

# Where Split asks for no wait at all, a moment all the same: its clock counts whole seconds.
SHORTEST_ASKED_SECONDS = 1.0

# After SIGTERM whoever sent it waits half a minute or less; what is in flight gets this long.
STOPPING_SECONDS = 10.0

# https://docs.split.io/reference/rate-limiting: wait for the larger of the two.
RESET_HEADERS = ("X-RateLimit-Reset-Seconds-Org", "X-RateLimit-Reset-Seconds-IP")

# Answers that may be different next time. 502 and 504 come from a gateway that never heard what Split did.
PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})
UNHEARD = frozenset({502, 504})

MESSAGE_LENGTH = 200


class NotSentError(Exception):
    """The request never reached Split: nothing was processed."""


class AnswerLostError(Exception):
    """The request may have reached Split, but no answer came: nobody knows whether it was processed."""


@dataclass(frozen=True)
class Answer:
    """An HTTP answer.

    Attributes:
        status: HTTP status.
        headers: Headers.
        body: None when it was cut off.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes | None

    @property
    def is_success(self) -> bool:
        """Whether the request was accepted."""
        return 200 <= self.status < 300

    @property
    def message(self) -> str:
        """What Split says of an error (https://docs.split.io/reference/errors), or an empty text."""
        try:
            said = msgspec.json.decode(self.body or b"")
        except (msgspec.DecodeError, UnicodeDecodeError):
            return ""
        text = said.get("message") if isinstance(said, dict) else None
        return text[:MESSAGE_LENGTH] if isinstance(text, str) else ""

    @property
    def wait_seconds(self) -> float | None:
        """How long Split asks to wait, if it does."""
        asked = [seconds for name in RESET_HEADERS if (seconds := number_of(self.headers.get(name))) is not None]
        return max(asked) if asked else retry_after(self.headers.get("Retry-After"))


class Client:
    """Sends single requests and counts them.

    Args:
        summary: Counts requests and bytes.
        connections: Requests that may run side by side.
    """

    def __init__(self, summary: Summary, connections: int) -> None:
        self._summary = summary
        self._session = requests.Session()
        # Without this, a netrc file of the user's would replace the Authorization header.
        self._session.auth = lambda request: request
        for scheme in ("http://", "https://"):
            self._session.mount(scheme, HTTPAdapter(pool_maxsize=connections))

    def send(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: bytes | None = None,
    ) -> Answer:
        """Send one request once.

        Raises:
            ConnectorError: The server's certificate is not trusted.
            NotSentError: Split was not reached.
            AnswerLostError: No answer came.
        """
        self._summary.add("http_request_count")
        self._summary.add("bytes_sent", len(body or b""))
        try:
            # The status counts as soon as it is there, whatever becomes of the body.
            with self._session.request(
                method,
                url,
                data=body,
                headers={"Content-Type": "application/json", **headers},
                timeout=(CONNECT_SECONDS, READ_SECONDS),
                allow_redirects=False,
                stream=True,
            ) as response:
                return Answer(response.status_code, response.headers, body_of(response))
        except requests.RequestException as error:
            check_certificate(error, url)
            if was_not_sent(error):
                raise NotSentError(type(error).__name__) from None
            raise AnswerLostError(type(error).__name__) from None

    def close(self) -> None:
        """Close the connections."""
        self._session.close()


class Patience:
    """Waits between the tries of one request, until it was tried long enough.

    Args:
        seconds: How long, from the first failure on.
        stopping: Set when the run is to end: then patience is short.
        what: What is tried, for the message: "posting events".
        summary: Counts tries again.
    """

    def __init__(self, seconds: float, stopping: threading.Event, what: str, summary: Summary) -> None:
        self._summary = summary
        self._seconds = seconds
        self._stopping = stopping
        self._what = what
        self._began: float | None = None
        self._waits = backoff.expo(base=2, factor=FIRST_WAIT_SECONDS, max_value=LONGEST_WAIT_SECONDS)
        next(self._waits)  # backoff's generators yield nothing first

    def wait(self, why: str, asked: float | None = None) -> None:
        """Wait before the next try.

        Args:
            why: What happened.
            asked: Seconds that Split asks to wait.

        Raises:
            ConnectorError: Patience is over.
        """
        now = time.monotonic()
        self._began = now if self._began is None else self._began
        limit = min(self._seconds, STOPPING_SECONDS) if self._stopping.is_set() else self._seconds
        left = self._began + limit - now
        if left <= 0 or (asked is not None and asked > left):
            raise ConnectorError(
                f"Gave up {self._what} after {now - self._began:.0f} seconds: {why}. "
                "What was not delivered is read again by the next run; 'retry_timeout_seconds' says how long to try."
            )
        chance: float = backoff.full_jitter(next(self._waits) or 0)
        seconds = min(chance, left) if asked is None else max(asked, SHORTEST_ASKED_SECONDS)
        if self._stopping.is_set():
            time.sleep(min(seconds, 1.0))
        else:
            self._stopping.wait(seconds)
        self._summary.add("http_retry_count")


@dataclass(frozen=True)
class Host:
    """A host of Split's and how it is asked.

    Attributes:
        client: Sends requests.
        url: Scheme and host.
        header: Name of the header that carries the key: `Authorization` (as Bearer) or another (bare).
        key: API key.
        patience: Makes the patience for one request; its argument says what is tried.
    """

    client: Client
    url: str
    header: str
    key: str
    patience: Callable[[str], Patience]

    def send(self, method: str, path: str, body: bytes | None = None) -> Answer:
        """Send one request once; errors as `Client.send`."""
        key = f"Bearer {self.key}" if self.header.lower() == "authorization" else self.key
        return self.client.send(method, self.url.rstrip("/") + path, {self.header: key}, body)

    def redacted(self, text: str) -> str:
        """Return a text without the API key."""
        return text.replace(self.key, "…")


def body_of(response: requests.Response) -> bytes | None:
    """Return an answer's body, or None when it was cut off."""
    try:
        return response.content
    except requests.RequestException:
        return None


def was_not_sent(error: requests.RequestException) -> bool:
    """Whether an error means that no byte of the request reached the server."""
    if isinstance(error, (requests.ConnectTimeout, requests.exceptions.SSLError, requests.exceptions.ProxyError)):
        return True
    cause = error.args[0] if error.args else None
    return isinstance(cause, MaxRetryError) and isinstance(cause.reason, NewConnectionError)


def number_of(text: str | None) -> float | None:
    """Return a header's number of seconds, if it is one."""
    try:
        return max(0.0, float(text)) if text else None
    except ValueError:
        return None


def retry_after(text: str | None) -> float | None:
    """Return the seconds of a `Retry-After` header: a number, or an HTTP date."""
    if not text or (seconds := number_of(text)) is not None:
        return seconds if text else None
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, (moment - datetime.now(UTC)).total_seconds())
