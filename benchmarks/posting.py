"""Posts bodies over several connections at once, at little cost to the machine that the receiver runs on as well."""

from __future__ import annotations

import selectors
import socket
import time
from collections.abc import Iterator, Sequence
from itertools import cycle, islice
from pathlib import Path
from urllib.parse import urlsplit

ANSWER_BYTES = 1 << 16


class Connection:
    """A connection that has one request on its way at a time.

    Args:
        address: Host and port.
        requests: What to send.
    """

    def __init__(self, address: tuple[str, int], requests: Iterator[bytes]) -> None:
        self.socket = socket.create_connection(address)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.seconds: list[float] = []
        self._requests = requests
        self._answer = b""

    def send(self) -> bool:
        """Send the next request; return whether there was one."""
        request = next(self._requests, None)
        if request is None:
            return False
        self._started = time.perf_counter()
        self.socket.sendall(request)
        return True

    def receive(self) -> bool:
        """Take the next piece of the answer, a JSON object; return whether it was the last.

        Raises:
            SystemExit: The answer is not 200.
        """
        self._answer += self.socket.recv(ANSWER_BYTES)
        if not self._answer.endswith(b"}"):
            return False
        self.seconds.append(time.perf_counter() - self._started)
        if not self._answer.startswith(b"HTTP/1.1 200 "):
            raise SystemExit(f"the receiver answered {self._answer[:100]!r}")
        self._answer = b""
        return True


def post(url: str, bodies: Sequence[bytes], requests: int, connections: int) -> list[float]:
    """Post so many bodies, over each connection its share; return the seconds until each answer, in ascending order."""
    parts = urlsplit(url)
    address = (parts.hostname or "", parts.port or 80)
    head = f"POST / HTTP/1.1\r\nHost: {parts.netloc}\r\nContent-Type: application/json\r\n"
    texts = [f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body for body in bodies]
    lines = [Connection(address, islice(cycle(texts), requests // connections)) for _ in range(connections)]
    with selectors.DefaultSelector() as selector:
        for line in lines:
            selector.register(line.socket, selectors.EVENT_READ, line)
            line.send()
        while selector.get_map():
            for key, _ in selector.select():
                if key.data.receive() and not key.data.send():
                    selector.unregister(key.fileobj)
                    key.data.socket.close()
    return sorted(seconds for line in lines for seconds in line.seconds)


def note(figures: Path, seconds: Sequence[float]) -> None:
    """Append to a file the time in milliseconds within which 99 of 100 got their answer."""
    with figures.open("a") as file:
        file.write(f"{1000 * seconds[len(seconds) * 99 // 100]:.1f}\n")
