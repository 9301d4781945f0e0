"""All HTTP to the Admin APIs: one GET, repeated until it succeeds or fails for good, and what each refusal means.

| answer | reaction |
| --- | --- |
| 200 with JSON | success |
| a status that the caller expects | the caller's to judge |
| 408, 425, 429, 5xx, a web page, a cut answer, no answer | retried, after as long as Split asks to wait |
| 401 | the key in the other header, once; then the run stops |
| 403, 404 and anything else | the run stops, with what to check |
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from logging import Logger
from typing import Any, NoReturn
from urllib.parse import quote

import msgspec
import requests

from tap_split_impressions.common.errors import ConnectorError, RetriableError
from tap_split_impressions.common.http import new_session, read_body, send
from tap_split_impressions.common.metrics import count
from tap_split_impressions.common.retry import Retry, StoppedError, retry_after_seconds

USER_AGENT = "tap-split-impressions"
SETTING = "api_url"
MOST_BODY_BYTES = 64_000_000

RETRIABLE = frozenset({408, 425, 429})
# https://docs.split.io/reference/rate-limiting: wait for the longer of both
RESET_HEADERS = ("X-RateLimit-Reset-Seconds-Org", "X-RateLimit-Reset-Seconds-IP")

BEARER, BARE = "Authorization", "x-api-key"

Rows = list[dict[str, Any]]


@dataclass(frozen=True)
class Refusals:
    """What an API's refusals mean.

    Attributes:
        key: What is wrong with the key, for 401.
        permission: What the key lacks, for 403.
        scope: What may not exist, for 404.
    """

    key: str
    permission: str
    scope: str


@dataclass(frozen=True)
class Access:
    """How an Admin API is reached.

    Attributes:
        url: Scheme and host.
        key: Admin API key or Harness token.
        new_retry: Makes the retry of one request; takes what to do before each wait.
        logger: For waits.
        end: Ends the run after a signal.
    """

    url: str
    key: str
    new_retry: Callable[[Callable[[str, float], object]], Retry]
    logger: Logger
    end: Callable[[], NoReturn]


class AdminClient:
    """Gets JSON from one Admin API. `headers` are names that may carry the key, the first choice first."""

    def __init__(
        self, access: Access, base: str, headers: list[str], query: Mapping[str, str], refusals: Refusals
    ) -> None:
        self._access = access
        self._base = access.url.rstrip("/") + base
        self._headers = headers  # loses the first choice once Split refuses it
        self._tried: list[str] = []
        self._query = query
        self._refusals = refusals
        self._session = new_session(user_agent=USER_AGENT, pool_size=1)

    def get(self, path: str, what: str, *, expected: Collection[int] = (), **query: Any) -> Any:
        """Return the JSON of an answer, or None for a status in `expected`.

        Args:
            path: Below the API's base.
            what: What the call lists, for messages and metrics: "environments".
            expected: Statuses that the caller judges.
            query: Parameters of this request.

        Raises:
            ConnectorError: Split refuses it, or the retry deadline is over.
        """

        def report(reason: str, seconds: float) -> None:
            count("http_retry_count", 1, endpoint=what)
            self._access.logger.warning("%s; trying again in %.1f s.", reason, seconds)

        try:
            return self._access.new_retry(report).run(lambda: self._try(path, what, expected, query))
        except StoppedError:
            self._access.end()

    def _try(self, path: str, what: str, expected: Collection[int], query: Mapping[str, Any]) -> Any:
        count("http_request_count", 1, endpoint=what)
        header = self._headers[0]
        key = f"Bearer {self._access.key}" if header.lower() == BEARER.lower() else self._access.key
        parameters = {**self._query, **query}
        try:
            response = send(
                self._session, "GET", self._base + path, setting=SETTING, params=parameters, headers={header: key}
            )
            with response:
                body = read_body(response, limit_bytes=MOST_BODY_BYTES)
        except RetriableError as error:
            raise RetriableError(f"cannot list {what}: {error} (setting '{SETTING}')") from None
        if response.status_code == 401 and len(self._headers) > 1:
            self._tried.append(self._headers.pop(0))
            return self._try(path, what, expected, query)
        return self._judged(response, body, what, expected)

    def _judged(self, response: requests.Response, body: bytes, what: str, expected: Collection[int]) -> Any:
        """Return what an answer holds, or raise what it means."""
        status = response.status_code
        if status in RETRIABLE or status >= 500:
            wait = retry_after_seconds(response.headers, *RESET_HEADERS)
            raise RetriableError(f"cannot list {what}: Split answered {status}", retry_after=wait)
        if status in expected:
            return None
        if not 200 <= status < 300:
            self._fail(status, what)
        self._headers[1:] = []  # this header is right, so a later 401 is about something else
        try:
            return msgspec.json.decode(body)
        except (ValueError, RecursionError):
            raise RetriableError(
                f"cannot list {what}: {self._access.url} answered {status} with something that is not JSON (setting "
                f"'{SETTING}')"
            ) from None

    def _fail(self, status: int, what: str) -> NoReturn:
        if status == 401:
            headers = " and as ".join(f"'{header}'" for header in [*self._tried, *self._headers])
            raise ConnectorError(
                f"Split refused the key in 'admin_api_key' (401), sent as {headers}. {self._refusals.key}"
            )
        if status == 403:
            raise ConnectorError(f"The key in 'admin_api_key' may not list {what} (403). {self._refusals.permission}")
        if status == 404:
            raise ConnectorError(f"Cannot list {what}: Split answered 404. {self._refusals.scope}")
        if 300 <= status < 400:
            raise ConnectorError(
                f"{self._access.url} answered {status} with a redirect, which is not Split's API. Check the setting "
                f"'{SETTING}'."
            )
        raise ConnectorError(f"Cannot list {what}: Split answered {status}.")


def rows_of(page: Any, what: str) -> Rows:
    """Return the objects of a list, bare or in a page of either API.

    Raises:
        ConnectorError: It holds no list.
    """
    found = page if isinstance(page, list) else None
    if isinstance(page, dict):
        found = next((page[name] for name in ("objects", "data") if isinstance(page.get(name), list)), None)
    if found is None:
        raise ConnectorError(f"Cannot list {what}: the answer holds no list. Check the setting '{SETTING}'.")
    return [row for row in found if isinstance(row, dict)]


def is_last_page(page: Any, rows: int, offset: int, limit: int) -> bool:
    """Whether a list ends with a page: a total is trusted where there is one, else a page that is not full is the last.

    Args:
        page: The page. A service may lower the limit, and says so.
        rows: Rows on it.
        offset: Rows up to its end.
        limit: Rows that were asked for.
    """
    total = page.get("totalCount") if isinstance(page, dict) else None
    if not rows or isinstance(total, int):
        return not rows or offset >= (total or 0)
    lowered = page.get("limit") if isinstance(page, dict) else None
    return rows < (lowered if isinstance(lowered, int) else limit)


def all_pages(client: AdminClient, path: str, what: str, limit: int, **query: Any) -> Rows:
    """Return the rows of a list that comes in pages."""
    found: Rows = []
    while True:
        page = client.get(path, what, offset=len(found), limit=limit, **query)
        rows = rows_of(page, what)
        found += rows
        if is_last_page(page, len(rows), len(found), limit):
            return found


def part(text: str) -> str:
    """Return a text as one part of a path."""
    return quote(text, safe="")
