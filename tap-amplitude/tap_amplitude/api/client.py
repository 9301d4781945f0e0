"""HTTP to Amplitude: one pooled session, answers judged by the tables of `errors.py`, nothing secret in a message."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any
from urllib.parse import urljoin, urlsplit

import msgspec
import requests

from tap_amplitude.api.errors import (
    ANSWERS,
    EXPORT_ANSWERS,
    FILE_STORE_ANSWERS,
    Failure,
    NoPermissionError,
    Reaction,
    TooLargeError,
    error_of,
    require_true_clock,
)
from tap_amplitude.common.errors import ConnectorError, RetriableError
from tap_amplitude.common.http import (
    AnswerLostError,
    AnswerTimeoutError,
    NotSentError,
    content_length,
    iter_body,
    new_session,
    send,
)
from tap_amplitude.common.redact import Redactor
from tap_amplitude.common.retry import Retry
from tap_amplitude.common.summary import Summary

# Source: https://amplitude.com/docs/apis/analytics/export and the pages of the other APIs
HOSTS = {"us": "https://amplitude.com", "eu": "https://analytics.eu.amplitude.com"}
EXPORT_PATH = "/api/2/export"
# An archive is made before its first byte is sent; Amplitude's own gateway gives up with 504.
CONNECT_SECONDS, READ_SECONDS = 20.0, 300.0
# Longest time for one archive, however steadily it trickles: 4 GB, the API's limit, at 600 kB/s.
DOWNLOAD_SECONDS = 7200.0
# Larger answers than this are not JSON of Amplitude's.
MAX_JSON_BYTES = 1 << 28
MAX_ERROR_BYTES = 10_000
# At most 5 requests may run at a time in a project. Source: https://amplitude.com/docs/apis/analytics/dashboard-rest
MAX_CONNECTIONS = 5
# Time limit while no request has reached the host yet: the address is more likely wrong than the network down.
UNREACHED_RETRY_SECONDS = 3.0
FIRST_WAIT_SECONDS = 1.0

Parameters = Mapping[str, str | Sequence[str]]


@dataclass(frozen=True)
class Account:
    """Whose data is read, and where it lives.

    Attributes:
        base_url: Scheme and host.
        region: The setting, for messages.
    """

    base_url: str
    api_key: str = field(repr=False)
    secret_key: str = field(repr=False)
    region: str


@dataclass(frozen=True)
class Download:
    """A body on its way.

    Attributes:
        length: Its length in bytes, when it was announced.
        ends_visibly: Whether its end is marked, so that a cut cannot pass for it.
        chunks: The bytes; raise `RetriableError` at a cut that can be seen.
    """

    length: int | None
    ends_visibly: bool
    chunks: Iterator[bytes]


class Client:
    """Amplitude's read APIs. Safe to use from several threads.

    Args:
        account: Keys and host.
        summary: Counts requests, retries and bytes.
        logger: Logs retries.
        stopping: Set when the run is to end; waits end at once.
        user_agent: Name and version of the connector.
        retry_timeout_seconds: How long to retry what may pass, from its first failure.

    Attributes:
        first_wait_seconds: Upper limit of the first wait between two tries.
        timeout: Seconds to connect, and to wait for the next byte.
        download_seconds: Longest time for one file.
    """

    first_wait_seconds = FIRST_WAIT_SECONDS
    timeout = (CONNECT_SECONDS, READ_SECONDS)
    download_seconds = DOWNLOAD_SECONDS

    def __init__(  # noqa: PLR0913 - what a client consists of
        self,
        account: Account,
        *,
        summary: Summary,
        logger: logging.Logger,
        stopping: threading.Event,
        user_agent: str,
        retry_timeout_seconds: float,
    ) -> None:
        self._account = account
        self._redactor = Redactor([account.api_key, account.secret_key])
        self._summary = summary
        self._logger = logger
        self._stopping = stopping
        self._retry_timeout_seconds = retry_timeout_seconds
        self._reached = False
        self._session = new_session(user_agent=user_agent, pool_size=MAX_CONNECTIONS)

    def get(
        self,
        path: str,
        what: str,
        parameters: Parameters | None = None,
        form: Mapping[str, str] | None = None,
        *,
        needs_true_clock: bool = False,
    ) -> Any:
        """Return the decoded JSON of an answer; retry what may pass.

        Args:
            path: Documented path.
            what: What is requested, in words, for messages.
            parameters: Query; a list repeats its name.
            form: A form body, which the Taxonomy API wants even with GET.
            needs_true_clock: Whether this machine's clock decided what is requested.

        Raises:
            ConnectorError: There is no such answer, or the clock is ahead; the message says why.
        """
        options: dict[str, Any] = {"params": parameters, "data": form}
        return self.retry().run(lambda: self.get_once(path, what, needs_true_clock=needs_true_clock, **options))

    def get_once(self, path: str, what: str, *, needs_true_clock: bool = False, **options: Any) -> Any:
        """Return the decoded JSON of an answer, as `get` does without retries; options are those of `requests`.

        Raises:
            RetriableError: Try again.
            ConnectorError: As `get`.
        """
        with self._send(self._account.base_url + path, what, **options) as response:
            if needs_true_clock:
                require_true_clock(response.headers.get("Date"))
            self._require_success(response, what, ANSWERS)
            body = self._body(response, MAX_JSON_BYTES)
        try:
            return msgspec.json.decode(body)
        except (msgspec.MsgspecError, ValueError, RecursionError) as error:
            raise RetriableError(f"Amplitude's answer for {what} is not valid JSON") from error

    @contextmanager
    def export(self, parameters: Parameters, what: str) -> Iterator[Download]:
        """Request an archive of events once; the first byte may take minutes.

        Raises:
            NoDataError: The window holds no events.
            TooLargeError: It must be divided.
            RetriableError: Try again.
            ConnectorError: There is no such archive.
        """
        try:
            with self._send(self._account.base_url + EXPORT_PATH, what, params=parameters) as response:
                require_true_clock(response.headers.get("Date"))
                self._require_success(response, what, EXPORT_ANSWERS)
                yield self._download(response)
        except AnswerTimeoutError as error:
            raise TooLargeError(f"Amplitude takes too long: {error}.", retriable=True) from error

    @contextmanager
    def file(self, path: str, what: str) -> Iterator[Download]:
        """Request a file once, from Amplitude or from the file store that it redirects to.

        Raises:
            RetriableError: Try again; a link to the file store is valid for a minute only.
            ConnectorError: There is no such file.
        """
        with self._send(self._account.base_url + path, what) as response:
            if not response.is_redirect:
                self._require_success(response, what, ANSWERS)
                yield self._download(response)
                return
            link = urljoin(response.url, response.headers["Location"])
        # The link is signed: the store would refuse credentials, and must not learn them.
        with self._send(link, what, auth=None) as response:
            self._require_success(response, what, FILE_STORE_ANSWERS)
            yield self._download(response)

    def retry(self) -> Retry:
        """Return the retries of one request."""
        return Retry(
            self._retry_timeout_seconds, self._stopping, self._note_wait, first_wait_seconds=self.first_wait_seconds
        )

    def _note_wait(self, reason: str, seconds: float) -> None:
        self._summary.add("http_retry_count")
        self._logger.warning("%s. Retrying in %.0f s.", reason.rstrip("."), seconds)

    @contextmanager
    def _send(self, url: str, what: str, **options: Any) -> Iterator[requests.Response]:
        if not self._account.api_key:
            raise NoPermissionError(f"Settings 'api_key' and 'secret_key' are missing: {what} are read from the API.")
        self._summary.add("http_request_count")
        options = {"auth": (self._account.api_key, self._account.secret_key), **options}
        try:
            response = send(self._session, "GET", url, setting="api_url", timeout=self.timeout, **options)
        except NotSentError as error:
            host = urlsplit(self._account.base_url).netloc
            message = f"Amplitude cannot be reached at {host} ({error}): check the network and 'api_url'"
            limit = None if self._reached else UNREACHED_RETRY_SECONDS
            raise RetriableError(message, timeout_seconds=limit) from error
        self._reached = True
        with response:
            try:
                yield response
            except AnswerLostError as error:
                raise type(error)(f"{error}, on the way to {what}") from error

    def _require_success(self, response: requests.Response, what: str, table: tuple[Reaction, ...]) -> None:
        if response.status_code in {HTTPStatus.OK, HTTPStatus.ACCEPTED}:
            return
        body = self._redactor.redact(self._body(response, MAX_ERROR_BYTES).decode(errors="replace"))
        raise error_of(Failure(response.status_code, body, response.headers, what, self._account.region), table)

    def _body(self, response: requests.Response, limit_bytes: int) -> bytes:
        """Return a whole body.

        Raises:
            ConnectorError: It is larger than the limit.
        """
        body = bytearray()
        for chunk in self._chunks(response, self.timeout[1]):
            body += chunk
            if len(body) > limit_bytes:
                if response.ok:
                    raise ConnectorError(f"Amplitude's answer is larger than {limit_bytes:,} bytes.")
                break
        return bytes(body)

    def _chunks(self, response: requests.Response, deadline_seconds: float) -> Iterator[bytes]:
        for chunk in iter_body(response, deadline_seconds=deadline_seconds):
            self._summary.add("bytes_received", len(chunk))
            yield chunk

    def _download(self, response: requests.Response) -> Download:
        is_chunked = "chunked" in response.headers.get("Transfer-Encoding", "")
        return Download(
            length=content_length(response.headers),
            ends_visibly=is_chunked or "Content-Length" in response.headers,
            chunks=self._chunks(response, self.download_seconds),
        )
