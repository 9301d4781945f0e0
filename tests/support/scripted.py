"""An HTTP server on the loopback that answers as a test tells it, byte by byte: for answers no sane service gives."""

from __future__ import annotations

import ssl
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit


@dataclass
class Answer:
    """An answer. Without `length` the end of the body is the end of the connection."""

    body: bytes = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    length: int | None = -1
    """Content-Length to announce; -1 for the true one, None for none."""
    before: Callable[[], object] = lambda: None
    """Called before the answer is sent."""


@dataclass
class Request:
    path: str
    query: str
    headers: dict[str, str]
    body: bytes = b""


class Server(ThreadingHTTPServer):
    """Does not mind a client that refuses its certificate."""

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exc_info()[1], ssl.SSLError):
            super().handle_error(request, client_address)


class ScriptedServer:
    """Answers each request by a function of the test, and remembers what was asked; with `tls`, over HTTPS."""

    def __init__(self, answer: Callable[[Request], Answer], tls: ssl.SSLContext | None = None) -> None:
        self.answer = answer
        self.requests: list[Request] = []
        script = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                parts = urlsplit(self.path)
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                request = Request(parts.path, parts.query, dict(self.headers), body)
                script.requests.append(request)
                answer = script.answer(request)
                answer.before()
                self.send_response_only(answer.status)
                for name, value in ({"Date": self.date_time_string()} | answer.headers).items():
                    self.send_header(name, value)
                if answer.length is not None:
                    length = len(answer.body) if answer.length < 0 else answer.length
                    self.send_header("Content-Length", str(length))
                self.end_headers()
                self.wfile.write(answer.body)

            do_POST = do_PUT = do_GET

            def log_message(self, *arguments: object) -> None:
                pass

        self._server = Server(("127.0.0.1", 0), Handler)
        self.port = self._server.server_port
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.port}"
        if tls is not None:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True, do_handshake_on_connect=False)

    def serve(self) -> None:
        self._server.serve_forever(poll_interval=0.02)

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@contextmanager
def scripted(answer: Callable[[Request], Answer], tls: ssl.SSLContext | None = None) -> Iterator[ScriptedServer]:
    """Run a scripted server for the length of a block."""
    server = ScriptedServer(answer, tls)
    thread = threading.Thread(target=server.serve)
    thread.start()
    try:
        yield server
    finally:
        server.stop()
        thread.join()
