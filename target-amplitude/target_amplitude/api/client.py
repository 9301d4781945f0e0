"""Sends requests: over HTTP, or nowhere in a dry run. One attempt a call; others decide what the answer means."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from importlib.metadata import version
from typing import Any, Protocol
from urllib.parse import urlsplit

import click
import msgspec

from target_amplitude.api.endpoints import HOSTS, Route
from target_amplitude.api.responses import Answer
from target_amplitude.common import compression, http
from target_amplitude.common.retry import retry_after_seconds
from target_amplitude.common.service_clock import ServiceClock
from target_amplitude.common.summary import Summary
from target_amplitude.common.words import counted

# Seconds to connect, and to wait for the next byte of an answer to 20 MB.
TIMEOUT = (10.0, 60.0)
# Amplitude's answers are shorter: the longest lists 2,000 positions.
MAX_ANSWER_BYTES = 1_000_000
TEXT_BYTES = 500
# Enough to see what payloads look like; a whole request may hold megabytes.
SHOWN_PAYLOADS = 3


class Transport(Protocol):
    """Takes requests to Amplitude.

    Attributes:
        url: Scheme and host.
        is_compressing: Whether JSON bodies are compressed. May be turned off.
        accepted_as: Metric and reason by which accepted payloads are counted.
    """

    url: str
    is_compressing: bool
    accepted_as: tuple[str, str]

    def post(self, route: Route, parts: Sequence[bytes]) -> Answer:
        """Send one request.

        Raises:
            ConnectorError: The request cannot be made, now or later.
            RetriableError: No whole answer came.
        """

    def close(self) -> None:
        """Close all connections."""


class Client:
    """Sends requests over HTTP. Safe to use from several threads.

    Args:
        url: Scheme and host.
        connections: Most requests at a time.
        summary: Counts requests and bytes.
        compression: `gzip`, `none`, or `auto`: gzip for Amplitude's own hosts only. Its API pages do not mention gzip;
            its own SDKs send it, but a proxy in between may not pass it on.
        clock: Learns Amplitude's time, where it matters.
    """

    accepted_as = ("records_sent", "")

    def __init__(
        self,
        url: str,
        connections: int,
        summary: Summary,
        compression: str = "auto",
        clock: ServiceClock | None = None,
    ) -> None:
        self.url = url.rstrip("/")
        self.is_compressing = compression == "gzip" or (compression == "auto" and is_amplitudes(url))
        self._summary = summary
        self._clock = clock
        self._session = http.new_session(
            user_agent=f"target-amplitude/{version('target-amplitude')}", pool_size=connections
        )

    def post(self, route: Route, parts: Sequence[bytes]) -> Answer:
        """Send one request."""
        body = route.body(parts)
        headers = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "*/*"}
        was_compressed = self.is_compressing and not route.is_form
        if not route.is_form:
            headers["Content-Type"] = "application/json"
        if was_compressed:
            headers["Content-Encoding"] = "gzip"
            body = compressed(body)
        self._summary.add("http_request_count")
        url = self.url + route.endpoint.path
        with http.send(
            self._session, "POST", url, setting="api_url", timeout=TIMEOUT, data=body, headers=headers
        ) as response:
            if self._clock:
                self._clock.observe(response.headers.get("Date"))
            content = http.read_body(response, limit_bytes=MAX_ANSWER_BYTES)
        self._summary.add("bytes_sent", len(body))
        return Answer(
            response.status_code,
            content=json_object(content),
            text=content[:TEXT_BYTES].decode(errors="replace"),
            retry_after=retry_after_seconds(response.headers),
            was_compressed=was_compressed,
        )

    def close(self) -> None:
        """Close all connections."""
        self._session.close()


class DryRun:
    """Sends nothing and answers as Amplitude does on success; shows the first request of each kind on standard error.

    Standard output is for states, which Meltano stores.
    """

    accepted_as = ("records_skipped", "dry run")
    is_compressing = False

    def __init__(self, url: str) -> None:
        self.url = url
        self._shown: set[str] = set()
        self._lock = threading.Lock()

    def post(self, route: Route, parts: Sequence[bytes]) -> Answer:
        """Show a request if it is the first of its kind."""
        with self._lock:
            if route.kind not in self._shown:
                self._shown.add(route.kind)
                click.echo(described(route, parts), err=True)
        return Answer(200, {"code": 200, "events_ingested": len(parts)})

    def close(self) -> None:
        """Do nothing."""


def described(route: Route, parts: Sequence[bytes]) -> str:
    """Return a request and its first payloads in words. The API key is not part of it."""
    size = len(route.body(parts))
    shown = [route.json_text(part).decode() for part in parts[:SHOWN_PAYLOADS]]
    return (
        f"Dry run: the first request of {route.kind} would go to {route.endpoint.path} with "
        f"{counted(len(parts), route.kind.removesuffix('s'))} in {size:,} bytes. It begins with:\n" + "\n".join(shown)
    )


def is_amplitudes(url: str) -> bool:
    """Whether a URL is one of Amplitude's own ingestion hosts."""
    return urlsplit(url).netloc.lower() in {urlsplit(host).netloc for host in HOSTS.values()}


def compressed(body: bytes) -> bytes:
    """Return a body as gzip. The fastest level gains most of what there is to gain on events."""
    compressor = compression.compressor()
    return bytes(compressor.compress(body) + compressor.flush())


def json_object(content: bytes) -> dict[str, Any]:
    """Return a body's JSON object; an empty one when it holds none."""
    try:
        decoded = msgspec.json.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {}
    return decoded if isinstance(decoded, dict) else {}
