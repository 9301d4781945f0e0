"""What every request passes: it is written down, and a planned failure hits it here."""

from __future__ import annotations

import zlib
from typing import Any

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from split_amplitude_sandbox.clock import Clock, export_text
from split_amplitude_sandbox.compression import TooLargeError, unzipped
from split_amplitude_sandbox.exchange import Exchange, dated
from split_amplitude_sandbox.failures import KINDS
from split_amplitude_sandbox.faults import Faults

OWN_PATHS = ("/_sandbox", "/favicon.ico")
CREDENTIAL_HEADERS = ("authorization", "x-api-key", "cookie")


class Gate:
    """ASGI application around the services: writes every request down, and lets those fail that a plan hits."""

    def __init__(self, app: ASGIApp, faults: Faults, clock: Clock) -> None:
        self._app = app
        self._faults = faults
        self._clock = clock
        self.requests: list[dict[str, Any]] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["path"] == "/" or scope["path"].startswith(OWN_PATHS):
            await self._app(scope, receive, _dating(send))
            return
        started_ms = self._clock.now_ms()
        body = await _whole_body(receive)
        if body is None:
            return
        entry = _entry(scope, len(body), started_ms)
        self.requests.append(entry)
        exchange = Exchange(scope, body, entry, lambda: entry in self.requests, receive, send)
        headers = Headers(scope=scope)
        fault = self._faults.fault_for(scope["method"], scope["path"], headers, lambda: _searchable(scope, body))
        entry["fault"] = fault.kind if fault else None
        try:
            if fault is None:
                await self._app(scope, exchange.receive, exchange.send)
            else:
                await KINDS[fault.kind](fault, exchange, self._app)
        finally:
            entry["items"] = scope["state"].get("items", 0)
            entry["seconds"] = (self._clock.now_ms() - started_ms) / 1000


def _dating(send: Send) -> Send:
    async def send_dated(message: Message) -> None:
        await send(dated(message) if message["type"] == "http.response.start" else message)

    return send_dated


def _searchable(scope: Scope, body: bytes) -> bytes:
    """The query and the uncompressed body, in which a plan may look for a text."""
    try:
        content = unzipped(body)
    except (TooLargeError, zlib.error):
        content = body
    query: bytes = scope["query_string"]
    return query + b"\n" + content


def _entry(scope: Scope, size: int, started_ms: int) -> dict[str, Any]:
    """A line of the request list; only the scheme of a credential is kept."""
    headers = dict(Headers(scope=scope))
    for name in CREDENTIAL_HEADERS:
        if name in headers:
            scheme, parted, _ = headers[name].partition(" ")
            headers[name] = scheme if parted else ""
    return {
        "time": export_text(started_ms),
        "method": scope["method"],
        "path": scope["path"],
        "query": scope["query_string"].decode("latin-1"),
        "headers": headers,
        "status": None,
        "bytes": size,
        "items": 0,
        "seconds": None,
        "fault": None,
    }


async def _whole_body(receive: Receive) -> bytes | None:
    """The request's body; None when the client went away before its end."""
    chunks: list[bytes] = []
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        chunks.append(message.get("body", b""))
        if not message.get("more_body"):
            return b"".join(chunks)
