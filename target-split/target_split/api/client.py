"""All HTTP to Split: one pooled session, answers as plain values."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import msgspec

from target_split.common.errors import ConnectorError
from target_split.common.http import AnswerLostError, new_session, read_body, send
from target_split.common.redact import Redactor
from target_split.common.retry import Retry, retry_after_seconds
from target_split.common.service_clock import ServiceClock
from target_split.common.summary import Summary

USER_AGENT = "target-split"

# https://docs.split.io/reference/rate-limiting: wait for the larger of the two.
RESET_HEADERS = ("X-RateLimit-Reset-Seconds-Org", "X-RateLimit-Reset-Seconds-IP")

# Answers that may be different next time.
RETRIABLE = frozenset({408, 425, 429, 500, 502, 503, 504})

# A page of 10,000 keys of 250 characters is a few megabytes.
MAX_BODY_BYTES = 64_000_000
MAX_MESSAGE_LENGTH = 200


@dataclass(frozen=True)
class Answer:
    """An HTTP answer; `body` is None where it was cut."""

    status: int
    headers: Mapping[str, str]
    body: bytes | None

    @property
    def json(self) -> object:
        """What the body holds; None where it is empty, cut or not JSON."""
        try:
            return msgspec.json.decode(self.body or b"null")
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return None

    @property
    def is_foreign(self) -> bool:
        """Whether something else than Split answered: a web page, where Split sends JSON or nothing."""
        is_page = "html" in self.headers.get("Content-Type", "").lower() or (self.body or b"").lstrip()[:1] == b"<"
        return is_page or 300 <= self.status < 400

    @property
    def message(self) -> str:
        """What Split says of an error (https://docs.split.io/reference/errors), or an empty text."""
        said = self.json
        text = said.get("message") if isinstance(said, dict) else None
        return text[:MAX_MESSAGE_LENGTH] if isinstance(text, str) else ""

    @property
    def retry_after(self) -> float | None:
        """How many seconds Split asks to wait, if it does."""
        return retry_after_seconds(self.headers, *RESET_HEADERS)


class Client:
    """Sends single requests, counts them, and tells a clock the service's time. Safe to use from any thread."""

    def __init__(self, summary: Summary, connections: int, clock: ServiceClock) -> None:
        self._summary = summary
        self._clock = clock
        self._session = new_session(user_agent=USER_AGENT, pool_size=connections)

    def send(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None = None, *, setting: str
    ) -> Answer:
        """Send one request once. The status counts as soon as it is there, whatever becomes of the body.

        Args:
            method: HTTP method.
            url: Full URL.
            headers: With the key.
            body: JSON.
            setting: The setting that holds the host, for messages.

        Raises:
            ConnectorError: The request cannot be made, now or later.
            NotSentError: Split was not reached.
            AnswerLostError: No answer came.
        """
        self._summary.add("http_request_count")
        self._summary.add("bytes_sent", len(body or b""))
        headers = {"Content-Type": "application/json", **headers}
        with send(self._session, method, url, setting=setting, data=body, headers=headers) as response:
            self._clock.observe(response.headers.get("Date"))
            try:
                content = read_body(response, limit_bytes=MAX_BODY_BYTES)
            except AnswerLostError:
                content = None
            return Answer(response.status_code, response.headers, content)

    def close(self) -> None:
        """Close the connections."""
        self._session.close()


@dataclass(frozen=True)
class Host:
    """A host of Split's, and what a request to it needs.

    Attributes:
        client: Sends requests.
        url: Scheme and host.
        setting: The setting that holds the URL.
        key: API key.
        new_retry: Makes the retry of one request.
    """

    client: Client
    url: str
    setting: str
    key: str
    new_retry: Callable[[], Retry]

    def send(self, method: str, path: str, body: bytes | None = None, *, header: str = "Authorization") -> Answer:
        """Send one request once, the key in a header: `Authorization` as Bearer, any other bare.

        Raises:
            ConnectorError, NotSentError, AnswerLostError: As `Client.send`.
        """
        key = f"Bearer {self.key}" if header.lower() == "authorization" else self.key
        return self.client.send(method, self.url.rstrip("/") + path, {header: key}, body, setting=self.setting)

    def redacted(self, text: str) -> str:
        """Return a text without the API key, however it is encoded."""
        return Redactor([self.key]).redact(text)


def foreign_answer(host: Host, answer: Answer) -> ConnectorError:
    """Return the error for an answer that is not Split's."""
    kind = "a redirect" if 300 <= answer.status < 400 else "a web page"
    return ConnectorError(
        f"{host.url} answered {answer.status} with {kind}, which is not Split's API. Check setting '{host.setting}', "
        "and whether a proxy or a login page stands in between."
    )
