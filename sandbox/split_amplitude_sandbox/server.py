"""The HTTP server: uvicorn, which prints a line when it listens and gives access to its connections."""

from __future__ import annotations

import asyncio
import signal
import socket
import sys

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


def serve(app: ASGIApp, listener: socket.socket, *, verbose: bool) -> None:
    """Answer requests at a bound socket until SIGTERM or SIGINT; both exit with code 0."""
    # uvicorn finishes its requests on either signal, then raises it again.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: sys.exit(0))
    host, port = listener.getsockname()[:2]
    url = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

    class Server(uvicorn.Server):
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            text = f"The sandbox listens on {url}. Open it in a browser to watch what arrives."
            print(text, flush=True)  # noqa: T201 - the line that users wait for

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
    Server(config).run([listener])
