"""HTTP with one pooled session, and the one question that matters after a failure: may the service have got it?

    ConnectorError              final: the URL, the proxy, a header or the certificate is wrong
    RetriableError              may succeed when tried again
    ├── NotSentError            no byte of the request was sent: the service processed nothing
    └── AnswerLostError         ambiguous: the service may have processed the request
        └── AnswerTimeoutError  … it took too long to answer

A session follows no redirects (an API has no reason to redirect, and credentials must not follow) and never reads
`.netrc`, which would replace the Authorization header. Proxies and `REQUESTS_CA_BUNDLE` work as usual.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

import requests
import urllib3
from requests.adapters import HTTPAdapter
from requests.utils import get_environ_proxies, select_proxy
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from .errors import ConnectorError, RetriableError
from .settings import has_host

# Seconds to connect, and to wait for the next byte of an answer.
TIMEOUT = (10.0, 60.0)
CHUNK_BYTES = 1 << 18
BODY_SECONDS = 300.0
MAX_LENGTH_DIGITS = 18

# What `requests` raises before it connects, since waiting helps none of it. UnicodeError: text that no header can hold.
IMPOSSIBLE = (
    requests.exceptions.InvalidURL,
    requests.exceptions.InvalidSchema,
    requests.exceptions.MissingSchema,
    requests.exceptions.InvalidHeader,
    urllib3.exceptions.LocationValueError,
    UnicodeError,
)
# Errors that only a connect raises, in the order in which they are looked for among all that an error wraps.
NOT_SENT: dict[type[Exception], str] = {
    urllib3.exceptions.ProxyError: "cannot connect to {host} through the proxy (HTTPS_PROXY, HTTP_PROXY or ALL_PROXY)",
    urllib3.exceptions.NameResolutionError: "the name of {host} cannot be resolved",
    ConnectionRefusedError: "nothing listens at {host}",
    urllib3.exceptions.ConnectTimeoutError: "no connection to {host} within {seconds:g} s",
}


class NotSentError(RetriableError):
    """No byte of the request was sent."""


class AnswerLostError(RetriableError):
    """The request may have been sent, but no whole answer came: nobody knows whether it was processed."""


class AnswerTimeoutError(AnswerLostError):
    """The answer did not come in time."""


class _Session(requests.Session):
    """Follows no redirects, whichever method is called."""

    def get_redirect_target(self, resp: requests.Response) -> None:
        return None


def new_session(*, user_agent: str, pool_size: int) -> requests.Session:
    """Return a session for one service, which several threads may use; `pool_size` requests run at a time."""
    session = _Session()
    session.headers["User-Agent"] = user_agent
    # With an `auth` of its own, a session does not look into .netrc.
    session.auth = lambda request: request
    for scheme in ("https://", "http://"):
        session.mount(scheme, _Adapter(pool_maxsize=pool_size))
    return session


def send(
    session: requests.Session,
    method: str,
    url: str,
    *,
    setting: str,
    timeout: tuple[float, float] = TIMEOUT,
    **options: Any,
) -> requests.Response:
    """Send one request once; return the answer as soon as its headers are there. Close it (`with`).

    `setting` names the setting that holds the host, for messages; `timeout` is in seconds: to connect, and to wait for
    the next byte. Other options are those of `requests.Session.request`.

    Raises:
        ConnectorError: The request cannot be made, now or later.
        NotSentError: The service was not reached.
        AnswerLostError: No answer came.
    """
    try:
        return session.request(method, url, stream=True, timeout=timeout, **options)
    except IMPOSSIBLE as error:
        raise ConnectorError(_why_impossible(error, url, setting)) from None
    except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
        _raise_if_untrusted(error, url)
        if any(isinstance(cause, IMPOSSIBLE) for cause in _causes(error)):
            raise ConnectorError(_why_impossible(error, url, setting)) from None
        raise _failure(error, url, timeout) from None


def read_body(
    response: requests.Response,
    *,
    limit_bytes: int | None = None,
    deadline_seconds: float = BODY_SECONDS,
) -> bytes:
    """Return the body of an answer, decompressed; at most its first `limit_bytes`.

    Raises:
        AnswerLostError: It was cut, or cannot be decompressed.
        AnswerTimeoutError: It took over `deadline_seconds`, however steadily it trickled.
    """
    body = bytearray()
    for chunk in iter_body(response, deadline_seconds=deadline_seconds):
        body += chunk
        if limit_bytes is not None and len(body) >= limit_bytes:
            return bytes(body[:limit_bytes])
    return bytes(body)


def iter_body(response: requests.Response, *, deadline_seconds: float = BODY_SECONDS) -> Iterator[bytes]:
    """Yield the body of an answer, decompressed, as it comes.

    Raises:
        AnswerLostError: It is shorter than announced, or cannot be decompressed.
        AnswerTimeoutError: It took over `deadline_seconds`, the time of the caller between chunks included.
    """
    host = urlsplit(response.url or "").netloc
    deadline = time.monotonic() + deadline_seconds
    received = 0
    try:
        # `read1` returns what has come. `iter_content` waits for a full chunk, so a trickle would pass every time-out.
        while chunk := response.raw.read1(CHUNK_BYTES, decode_content=True):
            received += len(chunk)
            yield chunk
            if time.monotonic() > deadline:
                raise AnswerTimeoutError(f"{host} took over {deadline_seconds:g} s for an answer")
    except urllib3.exceptions.ReadTimeoutError:
        raise AnswerTimeoutError(f"{host} stopped in the middle of an answer, after {received:,} bytes") from None
    except urllib3.exceptions.DecodeError:
        raise AnswerLostError(f"an answer of {host} cannot be decompressed") from None
    except (urllib3.exceptions.HTTPError, OSError):
        raise AnswerLostError(f"the answer of {host} was cut after {received:,} bytes") from None


def content_length(headers: Mapping[str, str]) -> int | None:
    """Return the length of a body as announced, in bytes; None when it is not, or not as a number."""
    text = headers.get("Content-Length", "").strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) <= MAX_LENGTH_DIGITS else None


def _why_impossible(error: Exception, url: str, setting: str) -> str:
    """Return the message of a request that cannot be made. It never quotes: a header may hold a key."""
    if isinstance(error, (requests.exceptions.InvalidHeader, UnicodeError)):
        return "A key or another setting that is sent in an HTTP header holds characters that headers cannot hold."
    if "SOCKS" in str(error):
        return "A SOCKS proxy is set (ALL_PROXY, HTTPS_PROXY), which needs the package PySocks: pip install PySocks."
    if has_host(url) and select_proxy(url, get_environ_proxies(url)) is not None:
        return "The proxy (HTTPS_PROXY, HTTP_PROXY or ALL_PROXY) is not a valid URL."
    return f"Setting '{setting}' is not a valid URL."


def _raise_if_untrusted(error: Exception, url: str) -> None:
    """Raise when the server's certificate is not trusted: trying again would not help."""
    if "CERTIFICATE_VERIFY_FAILED" in repr(error):
        raise ConnectorError(
            f"TLS certificate verification failed for {urlsplit(url).netloc}: it is not signed by a trusted CA. Check "
            "the URL; for a CA of your own, set the environment variable REQUESTS_CA_BUNDLE to its file."
        ) from None


def _failure(error: Exception, url: str, timeout: tuple[float, float]) -> RetriableError:
    """Return what a failed request means. The error's own text is not used: it may repeat what was sent."""
    host = urlsplit(url).netloc
    causes = list(_causes(error))
    for kind, words in NOT_SENT.items():
        if any(isinstance(cause, kind) for cause in causes):
            return NotSentError(words.format(host=host, seconds=timeout[0]))
    if any(getattr(cause, "is_before_request", False) for cause in causes):
        return NotSentError(f"no connection to {host} ({type(error).__name__})")
    if any(isinstance(cause, urllib3.exceptions.ReadTimeoutError) for cause in causes):
        return AnswerTimeoutError(f"{host} did not answer within {timeout[1]:g} s")
    return AnswerLostError(f"the connection to {host} was cut")


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and all that it wraps: `requests` and urllib3 nest them in arguments, reasons and contexts."""
    waiting: list[Any] = [error]
    seen = set[int]()
    while waiting:
        one = waiting.pop()
        if isinstance(one, BaseException) and id(one) not in seen:
            seen.add(id(one))
            yield one
            waiting += [*one.args, getattr(one, "reason", None), one.__cause__, one.__context__]


class _NotesFailedConnect:
    """Marks errors of `connect`: they happen before the first byte of a request, TLS and proxy tunnel included."""

    def connect(self) -> None:
        try:
            super().connect()  # type: ignore[misc]  # of the connection that it is mixed into
        except Exception as error:
            error.is_before_request = True  # type: ignore[attr-defined]  # `_failure` reads it
            raise


class _HTTPConnection(_NotesFailedConnect, HTTPConnection):
    pass


class _HTTPSConnection(_NotesFailedConnect, HTTPSConnection):
    pass


class _HTTPPool(HTTPConnectionPool):
    ConnectionCls = _HTTPConnection


class _HTTPSPool(HTTPSConnectionPool):
    ConnectionCls = _HTTPSConnection


class _Adapter(HTTPAdapter):
    """The usual adapter with connections that tell a failed connect from a lost answer."""

    def init_poolmanager(self, *arguments: Any, **options: Any) -> None:
        super().init_poolmanager(*arguments, **options)
        self.poolmanager.pool_classes_by_scheme = {"http": _HTTPPool, "https": _HTTPSPool}

    def proxy_manager_for(self, proxy: str, **options: Any) -> Any:
        manager = super().proxy_manager_for(proxy, **options)
        if not proxy.lower().startswith("socks"):  # whose connections are of a class of their own
            manager.pool_classes_by_scheme = {"http": _HTTPPool, "https": _HTTPSPool}
        return manager
