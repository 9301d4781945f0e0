"""All HTTP to Amplitude: one pooled session, retries with patience, errors as sentences, nothing secret in a log."""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any, TypeVar
from urllib.parse import urljoin, urlsplit

import backoff
import msgspec
import requests
from requests.adapters import HTTPAdapter

from tap_amplitude.api.errors import (
    UNREACHED_RETRY_TIMEOUT_SECONDS,
    PassingError,
    Secrets,
    TooLargeError,
    clock_failure,
    export_failure,
    failure,
)
from tap_amplitude.common.errors import ConnectorError, check_certificate
from tap_amplitude.export.windows import Window
from tap_amplitude.summary import Summary

# Source: https://amplitude.com/docs/apis/analytics/export and the pages of the other APIs
HOSTS = {"us": "https://amplitude.com", "eu": "https://analytics.eu.amplitude.com"}
CONNECT_SECONDS = 20.0
# An archive is made before its first byte is sent; Amplitude's own gateway gives up with 504.
READ_SECONDS = 300.0
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 1.0, 30.0
CHUNK_BYTES = 1 << 18
# At most 5 requests may run at a time in a project. Source: https://amplitude.com/docs/apis/analytics/dashboard-rest
MAX_CONNECTIONS = 5
WRONG_ADDRESS = (
    requests.exceptions.InvalidURL,
    requests.exceptions.InvalidSchema,
    requests.exceptions.MissingSchema,
)

Parameters = Mapping[str, str | Sequence[str]]
T = TypeVar("T")


@dataclass(frozen=True)
class Download:
    """The body of an answer on its way.

    Attributes:
        length: Its length in bytes, when it was announced.
        ends_visibly: Whether its end is marked, so that a cut cannot pass for it.
        chunks: The bytes; a cut that can be seen raises `PassingError`.
    """

    length: int | None
    ends_visibly: bool
    chunks: Iterator[bytes]


class SlowAnswerError(PassingError):
    """No byte of an answer came in time."""


class LastingError(ConnectorError):
    """A failure that might have passed, but did not."""


class Client:
    """Amplitude's read APIs.

    Args:
        base_url: Scheme and host.
        api_key: The project's API key.
        secret_key: Its secret key.
        region: The setting, for messages.
        summary: Counts requests, retries and bytes.
        logger: Says what is waited for.
        user_agent: Name and version of this tap.

    Attributes:
        read_seconds: How long to wait for the next byte.
        pause_unit: Length of the first pause between two tries, in seconds; the others are multiples.
    """

    read_seconds = READ_SECONDS
    pause_unit = FIRST_PAUSE_SECONDS

    def __init__(  # noqa: PLR0913 - these are what a client consists of
        self,
        *,
        base_url: str,
        api_key: str,
        secret_key: str,
        region: str,
        summary: Summary,
        logger: logging.Logger,
        user_agent: str = "tap-amplitude",
    ) -> None:
        self._base_url = base_url.rstrip("/")
        self._credentials = (api_key, secret_key)
        self._secrets = Secrets((secret_key, api_key))
        self._region = region
        self._summary = summary
        self._logger = logger
        self._reached = False
        self._session = requests.Session()
        self._session.headers["User-Agent"] = user_agent
        adapter = HTTPAdapter(pool_maxsize=MAX_CONNECTIONS)
        self._session.mount("https://", adapter)
        self._session.mount("http://", adapter)

    def get(
        self, path: str, what: str, parameters: Parameters | None = None, form: Mapping[str, str] | None = None
    ) -> Any:
        """Return the decoded JSON of an answer.

        Args:
            path: Documented path.
            what: What is asked for, in words, for messages.
            parameters: Query; a list repeats its name.
            form: A form body, as the Taxonomy API wants it even with GET.

        Raises:
            ConnectorError: It cannot be had; the message says why.
        """

        def once() -> Any:
            with self._answer(self._base_url + path, what, params=parameters, data=form) as answer:
                self._require(answer, what, failure)
                try:
                    return msgspec.json.decode(self._body(answer, what))
                except (msgspec.MsgspecError, ValueError) as error:
                    raise PassingError(f"Amplitude's answer for {what} is no JSON.") from error

        return self.patiently(once)

    def export(self, window: Window, keep: Callable[[Download], T]) -> T:
        """Ask once for the archive of a window; return what `keep` makes of it.

        Raises:
            NotFoundError: The window holds no events.
            TooLargeError: It must be divided.
            PassingError: Ask again.
            ConnectorError: It cannot be had.
        """
        what = f"the events of {window}"
        try:
            with self._answer(self._base_url + "/api/2/export", what, params=window.parameters) as answer:
                if problem := clock_failure(answer.headers.get("Date"), datetime.now(UTC)):
                    raise problem
                self._require(answer, what, export_failure)
                return keep(self._download(answer, what))
        except SlowAnswerError as error:
            raise TooLargeError(str(error), may_pass=True) from error

    def file(self, path: str, what: str, keep: Callable[[Download], T]) -> T:
        """Ask once for a file that Amplitude serves itself or redirects to; return what `keep` makes of it.

        Raises:
            PassingError: Ask again; a link to the file store is valid for a minute only.
            ConnectorError: It cannot be had.
        """
        with self._answer(self._base_url + path, what, allow_redirects=False) as answer:
            if not answer.is_redirect:
                self._require(answer, what, failure)
                return keep(self._download(answer, what))
            link = urljoin(answer.url, answer.headers["Location"])
        # The link is signed: credentials would make the store refuse it, and are none of its business.
        with self._answer(link, what, auth=NoCredentials()) as answer:
            if answer.status_code != HTTPStatus.OK:
                raise PassingError(f"The link to {what} is no longer good (status {answer.status_code}).")
            return keep(self._download(answer, what))

    def patiently(self, action: Callable[[], T]) -> T:
        """Do something again and again until it succeeds or patience ends.

        Raises:
            LastingError: The last failure, when it did not pass.
        """
        retrying = backoff.on_exception(
            self._pauses, PassingError, on_backoff=self._note_pause, jitter=None, logger=None
        )(action)
        try:
            return retrying()
        except PassingError as error:
            raise LastingError(f"{error} Asking again did not help; run again later.") from error

    def _pauses(self) -> Generator[float, PassingError, None]:
        """Yield the pause after each failure, for as long as its patience lasts."""
        waited, pause = 0.0, self.pause_unit
        error = yield 0.0
        while waited < error.retry_timeout_seconds * self.pause_unit:
            wait = pause if error.pause_seconds is None else error.pause_seconds
            waited += max(wait, self.pause_unit)
            pause = min(2 * pause, LONGEST_PAUSE_SECONDS * self.pause_unit)
            error = yield wait

    def _note_pause(self, details: Any) -> None:
        self._summary.add("http_retry_count")
        self._logger.warning("%s Asking again in %.0f s.", details["exception"], details["wait"])

    @contextmanager
    def _answer(self, url: str, what: str, **options: Any) -> Iterator[requests.Response]:
        """Send one request with these options of `requests`; what breaks on the way becomes a `PassingError`."""
        self._summary.add("http_request_count")
        options = {"auth": self._credentials, "timeout": (CONNECT_SECONDS, self.read_seconds), **options}
        try:
            answer = self._session.get(url, stream=True, **options)
        except requests.ReadTimeout:
            raise SlowAnswerError(f"Amplitude took over {self.read_seconds:.0f} s for {what}.") from None
        except requests.RequestException as error:
            check_certificate(error, url)
            raise self._unreached(error) from None
        self._reached = True
        with answer:
            yield answer

    def _unreached(self, error: requests.RequestException) -> Exception:
        host = urlsplit(self._base_url).netloc
        if isinstance(error, WRONG_ADDRESS):
            return ConnectorError(f"Setting 'api_url' is no address of a web server: {self._base_url!r}.")
        message = f"Amplitude cannot be reached at {host} ({type(error).__name__}): check the network and 'api_url'."
        return (
            PassingError(message)
            if self._reached
            else PassingError(message, retry_timeout_seconds=UNREACHED_RETRY_TIMEOUT_SECONDS)
        )

    def _require(self, answer: requests.Response, what: str, failure_of: Callable[..., Exception]) -> None:
        if answer.status_code not in {HTTPStatus.OK, HTTPStatus.ACCEPTED}:
            body = self._secrets.hide(self._body(answer, what)[:10_000].decode(errors="replace"))
            raise failure_of(answer.status_code, body, answer.headers, what=what, region=self._region)

    def _body(self, answer: requests.Response, what: str) -> bytes:
        return b"".join(self._chunks(answer, what))

    def _chunks(self, answer: requests.Response, what: str) -> Iterator[bytes]:
        """Yield the body; a body shorter than announced is an error."""
        received = 0
        try:
            for chunk in answer.iter_content(CHUNK_BYTES):
                received += len(chunk)
                self._summary.add("bytes_received", len(chunk))
                yield chunk
        except requests.RequestException as error:
            raise PassingError(f"The answer for {what} was cut after {received:,} bytes.") from error

    def _download(self, answer: requests.Response, what: str) -> Download:
        length = answer.headers.get("Content-Length", "")
        return Download(
            length=int(length) if length.isdecimal() else None,
            ends_visibly=bool(length) or "chunked" in answer.headers.get("Transfer-Encoding", ""),
            chunks=self._chunks(answer, what),
        )


class NoCredentials(requests.auth.AuthBase):
    """Signs nothing; given, it also keeps the session from looking for credentials elsewhere (.netrc)."""

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Return the request as it is."""
        return request
