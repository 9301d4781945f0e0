"""Split's Admin API: all its HTTP, its retries, and its errors in words.

https://docs.split.io/reference/introduction
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from functools import cached_property
from logging import Logger
from typing import Any
from urllib.parse import quote

import backoff
import requests

from tap_split_impressions.common.errors import ConnectorError, check_certificate
from tap_split_impressions.common.metrics import count

DEFAULT_URL = "https://api.split.io"
BASE_PATH = "/internal/api/v2"
PAGE_SIZE = 50  # the largest that flags allow
TIMEOUT_SECONDS = (10, 60)  # to connect, to answer
FAILURES = 5  # tries of a request that fails for a reason that can pass
LONGEST_WAIT_SECONDS = 120.0

# https://docs.split.io/reference/rate-limiting: wait for the longer of both
RESET_HEADERS = ("X-RateLimit-Reset-Seconds-Org", "X-RateLimit-Reset-Seconds-IP")
RESET_DEFAULT_SECONDS = 5.0
RATE_LIMITED = 10  # waits in a row for one request before something else must be wrong

ADVICE = {
    401: "The Admin API does not accept 'admin_api_key'. It must be an Admin API key, not an SDK key.",
    403: "The key in 'admin_api_key' may not read this workspace. Give it a role that may.",
    404: "There is no workspace with the id in 'workspace_id'. Split shows it in the address of its pages.",
}


class Passing(Exception):  # noqa: N818  (a state, not a fault)
    """A failure that another try may not meet."""


class AdminApi:
    """The lists of one workspace. Each is fetched once and remembered.

    Args:
        key: Admin API key, or a Harness token.
        workspace_id: The workspace (Harness: project) whose lists are wanted.
        url: Scheme and host.
        logger: For waits and retries.

    Raises:
        ConnectorError: From every list, when the API refuses or stays away.
    """

    def __init__(self, key: str, workspace_id: str, url: str, logger: Logger) -> None:
        self._host = url.rstrip("/")
        self._workspace = workspace_id
        self._session = requests.Session()
        self._session.headers["Authorization"] = f"Bearer {key}"
        # Without this, a netrc file of the user's would replace the Authorization header.
        self._session.auth = lambda request: request
        self._logger = logger
        self._requests = self._retries = 0

    @cached_property
    def environments(self) -> list[dict[str, Any]]:
        """Environments: `{id, name, production}`."""
        return self._list("environments", paged=False)

    @cached_property
    def traffic_types(self) -> list[dict[str, Any]]:
        """Traffic types: `{id, name, displayAttributeId}`."""
        return self._list("trafficTypes", paged=False)

    @cached_property
    def feature_flags(self) -> list[dict[str, Any]]:
        """Feature flags: `{id, name, trafficType: {id, name}, creationTime, rolloutStatus, …}`."""
        return self._list("splits", paged=True)

    @cached_property
    def segments(self) -> list[dict[str, Any]]:
        """Segments: `{name, description, trafficType: {id, name}, creationTime, tags}`."""
        return self._list("segments", paged=True)

    def _list(self, kind: str, *, paged: bool) -> list[dict[str, Any]]:
        self._requests = self._retries = 0
        try:
            return list(self._pages(kind)) if paged else self._objects(self._get(kind, {}))
        finally:
            count("http_request_count", self._requests, endpoint=kind)
            count("http_retry_count", self._retries, endpoint=kind)

    def _pages(self, kind: str) -> Iterator[dict[str, Any]]:
        offset = 0
        while True:
            page = self._get(kind, {"offset": offset, "limit": PAGE_SIZE})
            objects = self._objects(page)
            yield from objects
            offset += len(objects)
            if not objects or offset >= page.get("totalCount", 0):
                return

    @staticmethod
    def _objects(answer: Any) -> list[dict[str, Any]]:
        """Return the objects of a list, bare or in a page."""
        objects = answer.get("objects") if isinstance(answer, dict) else answer
        if not isinstance(objects, list):
            raise ConnectorError("The Admin API answered with something that is no list. Check the setting 'api_url'.")
        return objects

    def _get(self, kind: str, query: dict[str, int]) -> Any:
        try:
            return self._try(kind, query)
        except Passing as failure:
            raise ConnectorError(
                f"The Admin API at {self._host} did not answer after {FAILURES} tries ({failure}). Check the setting "
                "'api_url', or leave out 'admin_api_key' to go on without names."
            ) from None

    @backoff.on_exception(
        backoff.expo, Passing, max_tries=FAILURES, on_backoff=lambda details: details["args"][0].note_retry(details)
    )
    def _try(self, kind: str, query: dict[str, int]) -> Any:
        for _ in range(RATE_LIMITED):
            answer = self._send(kind, query)
            if answer.status_code != requests.codes.too_many_requests:
                break
            wait = min(reset_seconds(answer), LONGEST_WAIT_SECONDS)
            self._logger.info("The Admin API asks to wait %.0f s.", wait)
            time.sleep(wait)
            self._retries += 1
        if answer.ok:
            try:
                return answer.json()
            except ValueError:
                raise Passing("an answer that is no JSON") from None
        if answer.status_code in ADVICE:
            raise ConnectorError(ADVICE[answer.status_code])
        if answer.status_code >= requests.codes.server_error or answer.status_code == requests.codes.too_many_requests:
            raise Passing(f"status {answer.status_code}")
        raise ConnectorError(f"The Admin API refused to list {kind} (status {answer.status_code}).")

    def _send(self, kind: str, query: dict[str, int]) -> requests.Response:
        self._requests += 1
        try:
            return self._session.get(
                f"{self._host}{BASE_PATH}/{kind}/ws/{quote(self._workspace, safe='')}",
                params=query,
                timeout=TIMEOUT_SECONDS,
            )
        except requests.RequestException as error:
            check_certificate(error, self._host)
            raise Passing(type(error).__name__) from None

    def note_retry(self, details: Any) -> None:
        """Count and log a try that failed."""
        self._retries += 1
        self._logger.warning(
            "The Admin API failed (%s); trying again in %.1f s.", details["exception"], details["wait"]
        )


def reset_seconds(answer: requests.Response) -> float:
    """Return how long a 429 asks to wait."""
    given = [answer.headers[name] for name in RESET_HEADERS if name in answer.headers]
    try:
        return max(float(text) for text in given) if given else RESET_DEFAULT_SECONDS
    except ValueError:
        return RESET_DEFAULT_SECONDS
