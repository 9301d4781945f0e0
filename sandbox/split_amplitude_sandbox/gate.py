"""What every request passes: it is written down, and a planned failure hits it here."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from split_amplitude_sandbox.clock import Clock, export_text
from split_amplitude_sandbox.compression import TooLargeError, unzipped
from split_amplitude_sandbox.faults import Faults, Plan

OWN_PATHS = ("/_sandbox", "/favicon.ico")
CREDENTIAL_HEADERS = ("authorization", "x-api-key", "cookie")


@dataclass
class Exchange:
    """One request on its way, and the connection its answer takes."""

    scope: Scope
    body: bytes
    entry: dict[str, Any]
    connection: Receive
    answer: Send
    replayed: bool = False

    async def receive(self) -> Message:
        """Give the services the body that was read already, then what else comes from the connection."""
        if self.replayed:
            return await self.connection()
        self.replayed = True
        return {"type": "http.request", "body": self.body, "more_body": False}

    async def send(self, message: Message) -> None:
        """Pass the answer on, and note its status."""
        if message["type"] == "http.response.start":
            self.entry["status"] = message["status"]
        await self.answer(message)

    async def hang_up(self) -> None:
        """Close the connection, whatever the client waits for; `server.Protocol` put it into the scope."""
        self.scope["state"]["transport"].close()
        while (await self.connection())["type"] != "http.disconnect":
            pass


class Gate:
    """ASGI application around the services.

    Args:
        app: the services.
        faults: the planned failures.
        clock: stamps the requests.
    """

    def __init__(self, app: ASGIApp, faults: Faults, clock: Clock) -> None:
        self._app = app
        self._faults = faults
        self._clock = clock
        self.requests: list[dict[str, Any]] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["path"] == "/" or scope["path"].startswith(OWN_PATHS):
            await self._app(scope, receive, send)
            return
        started_ms = self._clock.now_ms()
        body = await _whole_body(receive)
        if body is None:
            return
        entry = _entry(scope, len(body), started_ms)
        self.requests.append(entry)
        fault = self._faults.fault_for(scope["method"], scope["path"], lambda: _searchable(scope, body))
        entry["fault"] = fault.kind if fault else None
        try:
            await self._answer(Exchange(scope, body, entry, receive, send), fault)
        finally:
            entry["items"] = scope["state"].get("items", 0)
            entry["seconds"] = (self._clock.now_ms() - started_ms) / 1000

    async def _answer(self, exchange: Exchange, fault: Plan | None) -> None:
        if fault is None:
            await self._app(exchange.scope, exchange.receive, exchange.send)
        elif fault.kind == "delay":
            await asyncio.sleep(fault.delay_seconds)
            if exchange.entry not in self.requests:  # all was forgotten meanwhile, and so is this
                await exchange.hang_up()
                return
            await self._app(exchange.scope, exchange.receive, exchange.send)
        elif fault.kind == "status":
            await _send_planned(fault, exchange.send)
        elif fault.kind == "cut" and fault.after_bytes is None:
            await exchange.hang_up()
        else:
            start, content = await self._collected(exchange)
            if fault.kind == "cut":
                await _send_beginning(fault, start, content, exchange.send)
            await exchange.hang_up()

    async def _collected(self, exchange: Exchange) -> tuple[Message, bytes]:
        """Let the services work; keep their answer instead of sending it."""
        start: Message = {}
        content = bytearray()

        async def collect(message: Message) -> None:
            if message["type"] == "http.response.start":
                start.update(message)
            else:
                content.extend(message.get("body", b""))

        await self._app(exchange.scope, exchange.receive, collect)
        return start, bytes(content)


def _searchable(scope: Scope, body: bytes) -> bytes:
    """The query and the unzipped body, in which a plan may look for a text."""
    try:
        content = unzipped(body)
    except (TooLargeError, zlib.error):
        content = body
    query: bytes = scope["query_string"]
    return query + b"\n" + content


def _entry(scope: Scope, size: int, started_ms: int) -> dict[str, Any]:
    """A line of the request list; of a credential only the scheme is kept."""
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


async def _send_planned(fault: Plan, send: Send) -> None:
    """The planned status, headers and body."""
    text = isinstance(fault.body, str)
    content = fault.body.encode() if text else msgspec.json.encode(fault.body)
    headers = {"content-type": "text/plain" if text else "application/json", "content-length": str(len(content))}
    headers |= {name.lower(): value for name, value in fault.headers.items()}
    await send({"type": "http.response.start", "status": fault.status, "headers": _raw(headers)})
    await send({"type": "http.response.body", "body": content})


async def _send_beginning(fault: Plan, start: Message, content: bytes, send: Send) -> None:
    """The first bytes of an answer whose end never comes; without a length it is sent in chunks."""
    headers = {
        name.decode("latin-1"): value.decode("latin-1") for name, value in start["headers"] if name != b"content-length"
    }
    if fault.content_length:
        headers["content-length"] = str(len(content))
    await send({**start, "headers": _raw(headers)})
    await send({"type": "http.response.body", "body": content[: fault.after_bytes], "more_body": True})


def _raw(headers: Mapping[str, str]) -> list[tuple[bytes, bytes]]:
    return [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
