"""The receiver as an ASGI application: it answers 200 only for what is stored.

It is plain ASGI: a framework's routing and request objects would cost more than the rest of a request together.
https://asgi.readthedocs.io/en/latest/specs/www.html
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from .access import cors_headers, has_token
from .bodies import BodyTooLargeError, InvalidBodyError, Parsed, decompress
from .journal import BusyError, Journal
from .metrics import CONTENT_TYPE, Metrics

logger = logging.getLogger("receiver")

Scope = Mapping[str, Any]
Receive = Callable[[], Awaitable[Mapping[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]

# Makes lines of a decompressed body and its arrival in milliseconds since 1970; raises InvalidBodyError.
Parse = Callable[[bytes, int], Parsed]

MEGABYTE = 1024 * 1024
# How many times the limit is read of a body that is too large: a sender reads the answer only after its last byte.
DRAIN_TIMES = 4


@dataclass
class Options:
    """How a receiver behaves.

    Attributes:
        connector: Label of the metrics.
        token: What senders must show; None or empty lets everybody in.
        allow_origin: Origins of browsers that may send; `*` allows all.
        max_body_bytes: Limit of a body, as sent and again decompressed.
        max_held_bytes: Limit of all bodies in memory together.
        body_seconds: How long a body may take to arrive.
        large_body_bytes: Bodies that are larger, decompressed, are parsed in a thread, one at a time, and delay nobody.
    """

    connector: str
    token: str | None = None
    allow_origin: tuple[str, ...] = ()
    max_body_bytes: int = 64 * MEGABYTE
    max_held_bytes: int = 256 * MEGABYTE
    body_seconds: float = 30.0
    large_body_bytes: int = 2 * MEGABYTE


class Refused(Exception):  # noqa: N818  (an answer, not a fault)
    """A request that is answered with another status than 200."""

    def __init__(self, status: int, message: str, *headers: tuple[bytes, bytes]) -> None:
        super().__init__(message)
        self.status = status
        self.headers = list(headers)


class Answer(NamedTuple):
    """A response."""

    status: int
    body: bytes
    content_type: bytes = b"application/json"


class Receiver:
    """An ASGI application that stores what is posted to it.

    Args:
        journal: Stores the batches.
        routes: Path to what parses the bodies posted there.
        options: Token, origins and limits.
        count_files: Returns how many complete files are in the folder, for the metrics; None where that is expensive.
    """

    def __init__(
        self,
        journal: Journal,
        routes: Mapping[str, Parse],
        options: Options,
        count_files: Callable[[], int] | None = None,
    ) -> None:
        self.journal = journal
        self.options = options
        self.metrics = Metrics(options.connector)
        self._routes = routes
        self._count_files = count_files
        self._held = 0
        self._large = asyncio.Lock()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or start and stop with the server."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif scope["type"] == "http":
            started = time.perf_counter()
            status = await self._respond(scope, receive, send)
            self.metrics.observe(time.perf_counter() - started, status)

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await asyncio.to_thread(self.journal.close)
        await send({"type": "lifespan.shutdown.complete"})

    async def _respond(self, scope: Scope, receive: Receive, send: Send) -> int:
        headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
        more: list[tuple[bytes, bytes]] = []
        try:
            answer = await self._answer(scope, headers, receive)
        except Refused as refusal:
            answer, more = Answer(refusal.status, json.dumps({"error": str(refusal)}).encode()), refusal.headers
        except Exception as error:  # noqa: BLE001  (a traceback could hold data)
            logger.error("A request failed: %s.", type(error).__name__)
            answer = Answer(500, b'{"error":"internal error"}')
        preflight = scope["method"] == "OPTIONS"
        more += cors_headers(headers.get(b"origin", ""), self.options.allow_origin, preflight=preflight)
        head = [(b"content-type", answer.content_type), (b"content-length", b"%d" % len(answer.body)), *more]
        await send({"type": "http.response.start", "status": answer.status, "headers": head})
        body = b"" if scope["method"] == "HEAD" else answer.body
        await send({"type": "http.response.body", "body": body})
        return answer.status

    async def _answer(self, scope: Scope, headers: Mapping[bytes, str], receive: Receive) -> Answer:
        path, method = scope["path"].removeprefix(scope.get("root_path", "")) or "/", scope["method"]
        if parse := self._routes.get(path):
            if method == "OPTIONS" and self.options.allow_origin:
                return Answer(204, b"")
            require(method, "POST")
            self._check_token(scope, headers)
            return await self._store(parse, headers, receive)
        if path == "/health":
            require(method, "GET", "HEAD")
            healthy = self.journal.alive and self.journal.failure is None
            return Answer(200, b'{"status":"ok"}') if healthy else Answer(503, b'{"status":"not storing"}')
        if path == "/metrics":
            require(method, "GET", "HEAD")
            self._check_token(scope, headers)
            files = await asyncio.to_thread(self._count_files) if self._count_files else None
            return Answer(200, self.metrics.text(files).encode(), CONTENT_TYPE.encode())
        raise Refused(404, "Not found.")

    def _check_token(self, scope: Scope, headers: Mapping[bytes, str]) -> None:
        query = scope["query_string"].decode("latin-1")
        if not has_token(self.options.token, query, headers.get(b"authorization", "")):
            raise Refused(401, "The token is missing or wrong.", (b"www-authenticate", b"Bearer"))

    async def _store(self, parse: Parse, headers: Mapping[bytes, str], receive: Receive) -> Answer:
        body = bytearray()
        try:
            try:
                async with asyncio.timeout(self.options.body_seconds):
                    await self._read(receive, body)
            except TimeoutError:
                raise Refused(408, "The body took too long to arrive.") from None
            size, parsed = len(body), await self._parse(parse, bytes(body), headers.get(b"content-encoding", ""))
            if parsed.rejected:
                logger.warning("%d records of a batch were rejected.", parsed.rejected)
            if parsed.lines or parsed.rejects:
                await asyncio.wrap_future(self.journal.store(parsed.lines, parsed.rejects))
        except BusyError:
            raise Refused(503, "The storage cannot keep up; send it again.") from None
        except OSError:
            raise Refused(503, "The batch could not be stored; send it again.") from None
        finally:
            self._held -= len(body)
        self.metrics.batches += 1
        self.metrics.records += parsed.accepted
        self.metrics.rejected += parsed.rejected
        self.metrics.bytes += size
        return Answer(200, b'{"accepted":%d,"rejected":%d}' % (parsed.accepted, parsed.rejected))

    async def _read(self, receive: Receive, body: bytearray) -> None:
        """Add a request's body to `body`, and its size to that of all bodies in memory."""
        limit = self.options.max_body_bytes
        more = True
        while more:
            chunk, more = await next_chunk(receive)
            if self._held + len(chunk) > self.options.max_held_bytes:
                raise Refused(503, "Too many bodies arrive at once; send it again.")
            self._held += len(chunk)
            body += chunk
            if len(body) > limit:
                drained = 0
                while more and drained <= DRAIN_TIMES * limit:
                    chunk, more = await next_chunk(receive)
                    drained += len(chunk)
                raise Refused(413, f"The body is larger than {limit} bytes.")

    async def _parse(self, parse: Parse, body: bytes, encoding: str) -> Parsed:
        received, options = time.time_ns() // 1_000_000, self.options
        try:
            try:
                return parse(decompress(body, options.large_body_bytes, encoding), received)
            except BodyTooLargeError:
                async with self._large:
                    return await asyncio.to_thread(
                        lambda: parse(decompress(body, options.max_body_bytes, encoding), received)
                    )
        except BodyTooLargeError:
            raise Refused(413, f"The body is larger than {options.max_body_bytes} bytes when decompressed.") from None
        except InvalidBodyError as reason:
            logger.warning("A request was refused: %s.", reason)
            raise Refused(400, f"Nothing to store: {reason}.") from None


async def next_chunk(receive: Receive) -> tuple[bytes, bool]:
    """Return the next bytes of a body, and whether more follow.

    Raises:
        Refused: The client is gone.
    """
    message = await receive()
    if message["type"] == "http.disconnect":
        raise Refused(400, "The client is gone.")
    return message.get("body", b""), message.get("more_body", False)


def require(method: str, *allowed: str) -> None:
    """Refuse any other method, with 405."""
    if method not in allowed:
        raise Refused(405, f"Use {' or '.join(allowed)}.", (b"allow", ", ".join(allowed).encode()))
