"""Disconnects clients that send nothing, or too slowly, before they use up the connections."""

from __future__ import annotations

import asyncio
import resource

from uvicorn.protocols.http.auto import AutoHTTPProtocol

HEADER_SECONDS = 5.0


class HeadTimeoutProtocol(AutoHTTPProtocol):  # type: ignore[misc,valid-type]  # one of two classes, chosen when imported
    """uvicorn's HTTP protocol with a time limit for a request's head; the application limits the body's."""

    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:
        """Wait for the first request."""
        super().connection_made(transport)
        self._limit()

    def data_received(self, data: bytes) -> None:
        """Stop waiting when the head is complete."""
        super().data_received(data)
        self._limit()

    def on_response_complete(self) -> None:
        """Wait for the next request on this connection, unless its head came together with the one before."""
        super().on_response_complete()
        self._limit()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing more to wait for."""
        super().connection_lost(exc)
        if self._deadline:
            self._deadline.cancel()

    def _limit(self) -> None:
        """Run the timer exactly while no request is being processed."""
        idle = self.cycle is None or self.cycle.response_complete
        if idle and not self._deadline:
            self._deadline = self.loop.call_later(HEADER_SECONDS, self.transport.close)
        elif self._deadline and not idle:
            self._deadline.cancel()
            self._deadline = None


def allow_many_connections() -> None:
    """Raise the limit of open files to what the system allows; each connection is one."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
