"""One request on its way, and the connection its answer takes."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from email.utils import formatdate
from typing import Any

from starlette.types import Message, Receive, Scope, Send

RawHeaders = list[tuple[bytes, bytes]]


@dataclass
class Exchange:
    """A request whose body has been read, with its line in the request list; `is_known`: whether it is still there."""

    scope: Scope
    body: bytes
    entry: dict[str, Any]
    is_known: Callable[[], bool]
    connection: Receive
    answer: Send
    clock_offset_seconds: float = 0
    replayed: bool = False

    async def receive(self) -> Message:
        """Give the services the body that was read already, then what else comes from the connection."""
        if self.replayed:
            return await self.connection()
        self.replayed = True
        return {"type": "http.request", "body": self.body, "more_body": False}

    async def send(self, message: Message) -> None:
        """Pass the answer on, note its status, and add a Date header."""
        if message["type"] == "http.response.start":
            self.entry["status"] = message["status"]
            message = dated(message, self.clock_offset_seconds)
        await self.answer(message)

    def write(self, content: bytes) -> None:
        """Write bytes past HTTP; `server.Protocol` put the connection into the scope."""
        self.scope["state"]["transport"].write(content)

    async def hang_up(self) -> None:
        """Close the connection, whatever the client waits for."""
        self.scope["state"]["transport"].close()
        await self.gone()

    async def gone(self) -> None:
        """Wait until the connection is closed."""
        while (await self.connection())["type"] != "http.disconnect":
            pass


def dated(start: Message, offset_seconds: float = 0) -> Message:
    """The start of an answer with a Date header, unless it has one."""
    headers: RawHeaders = list(start.get("headers", []))
    if all(name.lower() != b"date" for name, _ in headers):
        headers.append((b"date", formatdate(time.time() + offset_seconds, usegmt=True).encode()))
    return {**start, "headers": headers}


def raw_headers(headers: Mapping[str, str]) -> RawHeaders:
    """Headers as ASGI wants them."""
    return [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
