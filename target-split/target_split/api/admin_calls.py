"""One call of an Admin API, repeated until it succeeds or fails for good, and what each refusal means.

Every call is safe to repeat: creating what exists, adding a key twice and removing one that is gone change nothing.

| answer | reaction |
| --- | --- |
| 2xx with JSON or nothing | success |
| a status that the caller expects | the caller's to judge |
| 408, 425, 429, 5xx, a cut answer, no answer | retried, after as long as Split asks to wait |
| 401 | the key in the other header, once; then the run stops |
| 403 "Approvals are required", 409 governance | this segment is refused, others go on |
| 403, 404 and anything else | the run stops, with what to check |
| a redirect, a web page | the run stops: it is not Split that answers |
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, NoReturn
from urllib.parse import quote, urlencode

import msgspec

from target_split.api.admin import ApprovalRequiredError
from target_split.api.client import RETRIABLE, Answer, Host, foreign_answer
from target_split.api.pages import pages
from target_split.common.errors import ConnectorError, RetriableError

# https://developer.harness.io/docs/feature-management-experimentation/api/approvals
APPROVAL_WORDS = "approvals are required"

EXISTS = 409
BEARER, BARE = "Authorization", "x-api-key"

# The vendor's own provider polls for about 4 s.
ACTIVATION_SECONDS = 60.0

APPROVAL_HINT = (
    "the environment requires approvals. Add the service account (or API key) of 'admin_api_key' to those who may skip "
    "approvals in the environment's settings"
)


@dataclass(frozen=True)
class Dialect:
    """How an API's calls look, and what its refusals mean.

    Attributes:
        base: Path of the API.
        rows: The member of an answer that holds a list's rows, where the answer is not the list itself.
        page: Rows that a page of a list is asked for.
        key: What is wrong with the key, for 401.
        permission: What the key lacks, for 403.
        scope: What may not exist, for 404.
        governance: Whether 409 is a policy that forbids the change.
    """

    base: str
    rows: str
    page: int
    key: str
    permission: str
    scope: str
    governance: bool


@dataclass(frozen=True)
class Request:
    """A request; `what` and `expected` as for `AdminCalls.call`."""

    method: str
    url: str
    body: bytes | None
    what: str
    expected: Collection[int]


class AdminCalls:
    """Calls one Admin API.

    Args:
        host: Where to.
        dialect: How this API's calls look, and what its refusals mean.
        headers: Names of the headers that may carry the key, the first choice first.
        query: Parameters of every request.
    """

    def __init__(self, host: Host, dialect: Dialect, headers: list[str], query: dict[str, str]) -> None:
        self._host = host
        self._dialect = dialect
        self._headers = headers  # loses the first choice once Split refuses it and takes the other
        self._query = query
        self._refused: list[str] = []

    def call(
        self,
        method: str,
        path: str,
        what: str,
        *,
        body: Any = None,
        expected: Collection[int] = (),
        **query: Any,
    ) -> Answer:
        """Call until there is a final answer.

        Args:
            method: HTTP method.
            path: Below the API's base.
            what: What the call does, for messages: "list segments".
            body: Sent as JSON.
            expected: Statuses beside 2xx that are the caller's to judge.
            query: Parameters of this request; those that are None are left out.

        Raises:
            ConnectorError: Split refuses the call, or the retry deadline is over.
            RefusedError: Split refuses it for the segment in question.
        """
        parameters = self._query | {name: value for name, value in query.items() if value is not None}
        url = self._dialect.base + path + (f"?{urlencode(parameters, quote_via=quote)}" if parameters else "")
        payload = None if body is None else msgspec.json.encode(body)
        request = Request(method, url, payload, what, expected)
        return self._host.new_retry().run(lambda: self._try(request))

    def _try(self, request: Request) -> Answer:
        try:
            answer = self._host.send(request.method, request.url, request.body, header=self._headers[0])
        except RetriableError as error:
            raise RetriableError(f"cannot {request.what}: {error} (setting '{self._host.setting}')") from None
        is_success = 200 <= answer.status < 300
        if answer.status in RETRIABLE:
            raise RetriableError(
                f"cannot {request.what}: Split answered {answer.status}", retry_after=answer.retry_after
            )
        if answer.is_foreign:
            raise foreign_answer(self._host, answer)
        if is_success and answer.body != b"" and answer.json is None:
            raise RetriableError(f"cannot {request.what}: the answer was cut")
        if answer.status == 401 and len(self._headers) > 1:
            self._refused.append(self._headers.pop(0))
            return self._try(request)
        if not is_success and answer.status not in request.expected:
            self._fail(answer, request)
        self._headers[1:] = []  # this header is right, so a later 401 is about something else
        return answer

    def listed(self, path: str, what: str, **query: Any) -> list[dict[str, Any]]:
        """Return the objects of a list, of all its pages; arguments and errors as for `call`."""
        limit = self._dialect.page

        def read(offset: int) -> Any:
            return self.call("GET", path, what, offset=offset, limit=limit, **query).json

        return [row for _, rows in pages(read, lambda page: self.rows(page, what), limit) for row in rows]

    def rows(self, page: Any, what: str) -> list[dict[str, Any]]:
        """Return the objects on a page of a list, which some calls wrap and others do not.

        Raises:
            ConnectorError: It is not a list.
        """
        found = page.get(self._dialect.rows) if isinstance(page, dict) else page
        if not isinstance(found, list):
            raise ConnectorError(f"Cannot {what}: the answer is not a list. Check 'admin_url'.")
        return [one for one in found if isinstance(one, dict)]

    def create(self, path: str, what: str, body: Any, **query: Any) -> bool:
        """Create something; return False when it exists. Arguments and errors as for `call`."""
        return self.call("POST", path, what, body=body, expected=(EXISTS,), **query).status != EXISTS

    def await_keys(self, path: str, what: str, **query: Any) -> None:
        """Wait until the keys of a segment that was just activated can be read: for seconds Split answers 404.

        Raises:
            ConnectorError: They cannot be read after `ACTIVATION_SECONDS`.
        """
        retry = self._host.new_retry()
        while self.call("GET", path, what, expected=(404,), **query).status == 404:
            retry.wait(f"cannot {what}: Split does not know it yet", timeout_seconds=ACTIVATION_SECONDS)

    def _fail(self, answer: Answer, request: Request) -> NoReturn:
        what, is_change = request.what, request.method != "GET"
        said = self._host.redacted(answer.message)
        if answer.status == 401:
            headers = " and as ".join(f"'{header}'" for header in [*self._refused, *self._headers])
            raise ConnectorError(
                f"Split refused the key in 'admin_api_key' (401), sent as {headers}. {self._dialect.key}"
            )
        if is_change and answer.status == 403 and APPROVAL_WORDS in said.lower():
            raise ApprovalRequiredError(APPROVAL_HINT)
        if answer.status == 403:
            raise ConnectorError(f"The key in 'admin_api_key' may not {what} (403). {self._dialect.permission}")
        if is_change and answer.status == 409 and self._dialect.governance:
            raise ApprovalRequiredError(f"a policy of the project forbids it (409{quoted(said)}), or {APPROVAL_HINT}")
        if answer.status == 404:
            raise ConnectorError(f"Cannot {what}: Split answered 404{quoted(said)}. {self._dialect.scope}")
        raise ConnectorError(f"Cannot {what}: Split answered {answer.status}{quoted(said)}.")


def quoted(said: str) -> str:
    """Return Split's words for use behind a status, if there are any."""
    return f", '{said}'" if said else ""


def part(text: str) -> str:
    """Return a text as one part of a path."""
    return quote(text, safe="")
