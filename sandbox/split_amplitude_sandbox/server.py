"""The HTTP server: uvicorn, which prints a line when it listens and gives access to its connections."""

from __future__ import annotations

import asyncio
import signal
import socket
import sys
from typing import Any

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

STOP_SECONDS = 1


class Protocol(H11Protocol):
    """HTTP that shows the application its connection, so that a planned failure can close it."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # uvicorn makes no other
        """Put the connection into the scope of each of its requests."""
        self.app_state = self.app_state | {"transport": transport}
        super().connection_made(transport)


class Server(uvicorn.Server):
    """Prints a line when it listens."""

    def __init__(self, config: uvicorn.Config, announcement: str) -> None:
        super().__init__(config)
        self._announcement = announcement

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, then print the announcement; requests are answered from now on."""
        await super().startup(sockets)
        print(self._announcement, flush=True)  # noqa: T201 - the line that users wait for


def _leave(*_: Any) -> None:
    sys.exit(0)


def serve(app: ASGIApp, listener: socket.socket, *, verbose: bool) -> None:
    """Answer requests at a bound socket until SIGTERM or SIGINT; both exit with code 0."""
    # uvicorn finishes its requests on either signal, then raises it again.
    signal.signal(signal.SIGTERM, _leave)
    signal.signal(signal.SIGINT, _leave)
    host, port = listener.getsockname()[:2]
    config = uvicorn.Config(
        app,
        http=Protocol,
        ws="none",
        lifespan="off",
        log_level="info" if verbose else "error",
        access_log=verbose,
        server_header=False,
        date_header=False,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=STOP_SECONDS,
    )
    url = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
    Server(config, f"The sandbox listens on {url}. Open it in a browser to watch what arrives.").run([listener])
