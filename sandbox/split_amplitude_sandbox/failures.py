"""How each kind of planned failure plays out."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import msgspec
from starlette.types import ASGIApp, Message

from split_amplitude_sandbox.credentials import echo_text
from split_amplitude_sandbox.exchange import Exchange, raw_headers
from split_amplitude_sandbox.faults import Plan

Failure = Callable[[Plan, Exchange, ASGIApp], Awaitable[None]]


async def _delay(plan: Plan, exchange: Exchange, app: ASGIApp) -> None:
    """Process the request after a while; after a reset it is forgotten."""
    await asyncio.sleep(plan.delay_seconds)
    if exchange.is_known():
        await app(exchange.scope, exchange.receive, exchange.send)
    else:
        await exchange.hang_up()


async def _status(plan: Plan, exchange: Exchange, _: ASGIApp) -> None:
    """Answer as planned; process nothing."""
    text = isinstance(plan.body, str)
    content = plan.body.encode() if text else msgspec.json.encode(plan.body)
    await _answer(plan, exchange, content, "text/plain" if text else "application/json")


async def _echo(plan: Plan, exchange: Exchange, _: ASGIApp) -> None:
    """Answer with the request's credentials; process nothing."""
    text = echo_text(exchange.scope, exchange.body)
    content = msgspec.json.encode({"code": plan.status, "error": text, "message": text, "details": text})
    await _answer(plan, exchange, content, "application/json")


async def _raw(plan: Plan, exchange: Exchange, _: ASGIApp) -> None:
    """Write the planned body as the whole answer, status line included, and close."""
    exchange.write(str(plan.body).encode("latin-1"))
    await exchange.hang_up()


async def _cut(plan: Plan, exchange: Exchange, app: ASGIApp) -> None:
    """Close at once, or process the request and close after some bytes of the answer."""
    if plan.after_bytes is not None:
        start, content = await _collected(exchange, app)
        await exchange.send(_without_length(start, len(content) if plan.content_length else None))
        await exchange.send(_part(content[: plan.after_bytes], more=True))
    await exchange.hang_up()


async def _lost(_: Plan, exchange: Exchange, app: ASGIApp) -> None:
    """Process the request, then close without an answer."""
    await _collected(exchange, app)
    await exchange.hang_up()


async def _trickle(plan: Plan, exchange: Exchange, app: ASGIApp) -> None:
    """Process the request; send the answer in small parts with pauses, until the client has had enough."""
    start, content = await _collected(exchange, app)
    await exchange.send(_without_length(start, len(content) if plan.content_length else None))
    gone = asyncio.ensure_future(exchange.gone())
    try:
        for begin in range(0, len(content), plan.chunk_bytes):
            await exchange.send(_part(content[begin : begin + plan.chunk_bytes], more=True))
            await asyncio.wait({gone}, timeout=plan.delay_seconds)
            if gone.done():
                return
        await exchange.send(_part(b"", more=False))
    finally:
        gone.cancel()


async def _strip_encoding(_: Plan, exchange: Exchange, app: ASGIApp) -> None:
    """Process the request without its Content-Encoding header, as behind a proxy that drops it."""
    headers = [(name, value) for name, value in exchange.scope["headers"] if name != b"content-encoding"]
    await app({**exchange.scope, "headers": headers}, exchange.receive, exchange.send)


async def _clock(plan: Plan, exchange: Exchange, app: ASGIApp) -> None:
    """Process the request; the Date header of the answer is off."""
    exchange.clock_offset_seconds = plan.offset_seconds
    await app(exchange.scope, exchange.receive, exchange.send)


KINDS: dict[str, Failure] = {
    "delay": _delay,
    "status": _status,
    "echo": _echo,
    "raw": _raw,
    "cut": _cut,
    "lost": _lost,
    "trickle": _trickle,
    "strip_encoding": _strip_encoding,
    "clock": _clock,
}


async def _answer(plan: Plan, exchange: Exchange, content: bytes, media_type: str) -> None:
    headers = {"content-type": media_type, "content-length": str(len(content))}
    headers |= {name.lower(): value for name, value in plan.headers.items()}
    await exchange.send({"type": "http.response.start", "status": plan.status, "headers": raw_headers(headers)})
    await exchange.send(_part(content, more=False))


async def _collected(exchange: Exchange, app: ASGIApp) -> tuple[Message, bytes]:
    """Let the services work; keep their answer instead of sending it."""
    start: Message = {}
    content = bytearray()

    async def collect(message: Message) -> None:
        if message["type"] == "http.response.start":
            start.update(message)
        else:
            content.extend(message.get("body", b""))

    await app(exchange.scope, exchange.receive, collect)
    return start, bytes(content)


def _without_length(start: Message, length: int | None) -> Message:
    """The start of an answer that announces this length; without one it is sent in chunks."""
    headers = [(name, value) for name, value in start["headers"] if name != b"content-length"]
    if length is not None:
        headers.append((b"content-length", str(length).encode()))
    return {**start, "headers": headers}


def _part(content: bytes, *, more: bool) -> Message:
    return {"type": "http.response.body", "body": content, "more_body": more}
