"""The receiver as an ASGI application: it answers 200 for what is stored, and for nothing else.

Split sends a batch again once, 300 ms after any answer but 200, and then gives it up, so whatever can be stored is.
https://developer.harness.io/docs/feature-management-experimentation/api/webhook/impressions
"""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import json
import logging
import os
import time
from collections.abc import AsyncIterator, Mapping
from typing import Any

from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tap_split_impressions.impressions.item import NotAnImpression
from tap_split_impressions.receiver.commit import Busy, Journal
from tap_split_impressions.receiver.payloads import Lines, TooLarge, lines_of, unzipped
from tap_split_impressions.receiver.storage import SEAL_BYTES, SEAL_SECONDS, open_storage

logger = logging.getLogger("tap-split-impressions.receiver")

MAX_BODY_BYTES = 64 * 1024 * 1024  # as sent, and again unzipped; about 180,000 impressions
BODIES_BYTES = 256 * 1024 * 1024  # of all requests at work
BODY_SECONDS = 30.0  # for a whole body to come in
LARGE_BODY_BYTES = 2 * 1024 * 1024  # unzipped; larger ones are checked aside, one after another, and hold nobody up
DRAINED_BYTES = 4 * MAX_BODY_BYTES  # of a body that is too large: a sender hears the answer only when it has sent all

# The environment variables that configure the application where no arguments can be given.
PATH_VARIABLE = "TAP_SPLIT_IMPRESSIONS_PATH"
OPTIONS_VARIABLE = "TAP_SPLIT_IMPRESSIONS_STORAGE_OPTIONS"
TOKEN_VARIABLE = "TAP_SPLIT_IMPRESSIONS_WEBHOOK_TOKEN"  # noqa: S105  (a name)


class Refused(Exception):  # noqa: N818  (an answer, not a fault)
    """A request that is answered with something else than 200."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Receiver:
    """Takes requests in and has them stored.

    Args:
        journal: Where to.
        token: What senders must show; None lets everybody in.
        max_bytes: Limit of a body, as sent and unzipped.
    """

    def __init__(self, journal: Journal, token: str | None, max_bytes: int = MAX_BODY_BYTES) -> None:
        self.journal = journal
        self._token = token.encode() if token else None
        self._max_bytes = max_bytes
        self._held = 0
        self._large = asyncio.Lock()

    async def receive(self, request: Request) -> Response:
        """POST /: store a batch."""
        try:
            self._check_token(request)
            lines = await self._take_in(request)
        except Refused as refusal:
            return JSONResponse({"error": str(refusal)}, refusal.status)
        except ClientDisconnect:
            return Response(status_code=400)
        return JSONResponse({"accepted": lines.accepted, "rejected": lines.rejected})

    async def health(self, _request: Request) -> Response:
        """GET /health: whether batches are being stored."""
        healthy = self.journal.alive and self.journal.failure is None
        return JSONResponse({"status": "ok" if healthy else "not storing"}, 200 if healthy else 503)

    def _check_token(self, request: Request) -> None:
        if self._token is None:
            return
        kind, _, bearer = request.headers.get("authorization", "").partition(" ")
        shown = [request.query_params.get("token", ""), bearer if kind.lower() == "bearer" else ""]
        if not any(hmac.compare_digest(text.encode(), self._token) for text in shown):
            raise Refused(401, "The token is missing or wrong.")

    async def _take_in(self, request: Request) -> Lines:
        body = bytearray()
        try:
            try:
                await asyncio.wait_for(self._read(request, body), BODY_SECONDS)
            except TimeoutError:
                raise Refused(408, "The body took too long to come in.") from None
            lines = await self._lines(bytes(body))
            if lines.rejected:
                logger.warning("%d items of a batch are no impressions and were put aside.", lines.rejected)
            if lines.lines or lines.rejects:
                await asyncio.wrap_future(self.journal.store(lines.lines, lines.rejects))
        except Busy:
            raise Refused(503, "The storage is behind; send it again.") from None
        except OSError:
            raise Refused(503, "The batch could not be stored; send it again.") from None
        finally:
            self._held -= len(body)
        return lines

    async def _read(self, request: Request, body: bytearray) -> None:
        """Add a request's body to `body`, and its bytes to those held of all requests."""
        async for chunk in request.stream():
            if self._held + len(chunk) > BODIES_BYTES:
                raise Refused(503, "Too much is coming in at once; send it again.")
            self._held += len(chunk)
            body += chunk
            if len(body) > self._max_bytes:
                await drain(request)
                raise Refused(413, f"The body is larger than {self._max_bytes} bytes.")

    async def _lines(self, body: bytes) -> Lines:
        received = time.time_ns() // 1_000_000
        try:
            try:
                return lines_of(unzipped(body, LARGE_BODY_BYTES), received)
            except TooLarge:
                async with self._large:
                    return await asyncio.to_thread(lambda: lines_of(unzipped(body, self._max_bytes), received))
        except TooLarge:
            raise Refused(413, f"The body is larger than {self._max_bytes} bytes when unzipped.") from None
        except NotAnImpression as reason:
            logger.warning("A request was no impressions: %s.", reason)
            raise Refused(400, f"Not impressions: {reason}.") from None


async def drain(request: Request) -> None:
    """Read the rest of a body and forget it."""
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > DRAINED_BYTES:
            return


def create_app(
    path: str | None = None,
    *,
    token: str | None = None,
    storage_options: Mapping[str, Any] | None = None,
    seal_seconds: float = SEAL_SECONDS,
    seal_bytes: int = SEAL_BYTES,
) -> Starlette:
    """Return the application; what is not given comes from the environment.

    Args:
        path: Folder or URL to write to (`TAP_SPLIT_IMPRESSIONS_PATH`, the same variable as the tap's setting `path`).
        token: What senders must show (`TAP_SPLIT_IMPRESSIONS_WEBHOOK_TOKEN`); empty or None lets everybody in.
        storage_options: Options of the fsspec file system (`TAP_SPLIT_IMPRESSIONS_STORAGE_OPTIONS`, as JSON).
        seal_seconds: Age at which a local file goes to the tap; 0 seals after each commit.
        seal_bytes: Size at which it does.

    Raises:
        ConnectorError: When the folder cannot be written.
    """
    path = path or os.environ.get(PATH_VARIABLE, "")
    if token is None:
        token = os.environ.get(TOKEN_VARIABLE)
    if storage_options is None:
        storage_options = json.loads(os.environ.get(OPTIONS_VARIABLE) or "{}")
    journal = Journal(open_storage(path, storage_options, seal_seconds=seal_seconds, seal_bytes=seal_bytes))
    receiver = Receiver(journal, token)

    @contextlib.asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        yield
        await asyncio.to_thread(journal.close)

    routes = [
        Route("/", receiver.receive, methods=["POST"]),
        Route("/health", receiver.health, methods=["GET"]),
    ]
    return Starlette(routes=routes, lifespan=lifespan)
