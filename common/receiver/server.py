"""Runs a receiver under uvicorn: the options that the receivers' commands share, the server, and its log."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import queue
import signal
import sys
import threading
from collections.abc import Callable
from typing import Any

import click

from ..errors import ConnectorError
from .app import Receiver
from .assembly import SEAL_BYTES, SEAL_SECONDS, json_object, variables_of
from .files import write_all

STOP_SECONDS = 10  # for running requests when asked to stop
LOG_LINES = 1000  # that may wait to be written; further ones are dropped
LAST_SECONDS = 1.0  # for what still waits at the end


def receiver_options(connector: str) -> Callable[[Any], Any]:
    """Return a decorator that gives a click command the options of `serve`."""
    variables = variables_of(connector)
    options = [
        click.option("--path", envvar=f"{variables}_PATH", help="Folder or URL to write to; the tap's setting path."),
        click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on; 0.0.0.0 for all."),
        click.option("--port", default=8080, show_default=True, help="Port to listen on; 0 takes a free one."),
        click.option(
            "--token",
            envvar=f"{variables}_WEBHOOK_TOKEN",
            help="What senders must show, as ?token= or Authorization: Bearer. Prefer the environment variable "
            f"{variables}_WEBHOOK_TOKEN.",
        ),
        click.option(
            "--allow-origin",
            multiple=True,
            help="Origin of a web page that may send, such as https://shop.example, or *; repeat for more.",
        ),
        click.option(
            "--storage-options",
            envvar=f"{variables}_STORAGE_OPTIONS",
            default="{}",
            help="Options of the storage library as JSON; the tap's setting storage_options.",
        ),
        click.option("--seal-seconds", default=SEAL_SECONDS, show_default=True, help="Age at which a tap gets a file."),
        click.option("--seal-bytes", default=SEAL_BYTES, show_default=True, help="Size at which a tap gets a file."),
    ]

    def decorate(command: Any) -> Any:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


def serve(create_app: Callable[..., Receiver], *, host: str, port: int, storage_options: str, **settings: Any) -> None:
    """Make the application of a command's settings and listen until SIGTERM or SIGINT, then seal the open file.

    Raises:
        ConnectorError: A setting is not valid, or uvicorn is not installed.
    """
    app = create_app(storage_options=json_object(storage_options), **settings)
    try:
        import uvicorn  # noqa: PLC0415  # an extra

        from .slow_clients import HeadTimeoutProtocol, allow_many_connections  # noqa: PLC0415  # imports uvicorn
    except ImportError as error:
        raise ConnectorError("A library is missing: pip install uvicorn (the extra 'webhook').") from error

    class Server(uvicorn.Server):
        async def startup(self, sockets: Any = None) -> None:
            await super().startup(sockets)
            if self.started:
                shown = self.servers[0].sockets[0].getsockname()[1]
                print(f"Listening on http://{host}:{shown}, writing to {settings['path']}", flush=True)  # noqa: T201  # the line that users wait for

    # Without an access log: it would hold the token of ?token=.
    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        http=HeadTimeoutProtocol,
        access_log=False,
        log_config=None,
        log_level="warning",
        timeout_graceful_shutdown=STOP_SECONDS,
    )
    # uvicorn raises the signal again after its shutdown; being asked to stop is no failure.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: sys.exit(0))
    allow_many_connections()
    loop_factory()(Server(config).serve())


def loop_factory() -> Callable[[Any], Any]:
    """Return what runs a coroutine: uvloop's loop, which takes half the time of asyncio's, where it is installed."""
    try:
        import uvloop  # noqa: PLC0415  # an extra
    except ImportError:
        return asyncio.run
    return uvloop.run


class BackgroundHandler(logging.Handler):
    """Writes lines to standard error in a thread of its own, so that nothing waits when nobody reads them any more."""

    def __init__(self) -> None:
        super().__init__()
        self._lines: queue.Queue[str | None] = queue.Queue(LOG_LINES)
        self._thread = threading.Thread(target=self._write, name="log", daemon=True)
        self._thread.start()

    def emit(self, record: logging.LogRecord) -> None:
        """Queue a line."""
        with contextlib.suppress(queue.Full):
            self._lines.put_nowait(self.format(record))

    def _write(self) -> None:
        # Past Python's buffer: its lock, held for ever, would hold up the end of the process.
        file = sys.stderr.fileno()
        while (line := self._lines.get()) is not None:
            with contextlib.suppress(OSError):
                write_all(file, f"{line}\n".encode("utf-8", "backslashreplace"))

    def close(self) -> None:
        """Write what waits, if somebody reads it."""
        super().close()
        with contextlib.suppress(queue.Full):
            self._lines.put(None, timeout=LAST_SECONDS)
            self._thread.join(LAST_SECONDS)


def run_command(command: click.Command) -> None:
    """Run a receiver's command line; an expected failure is one line and exit code 1."""
    form = "%(asctime)s | %(levelname)-8s | %(message)s"
    logging.basicConfig(format=form, level=logging.INFO, handlers=[BackgroundHandler()])
    try:
        command()
    except ConnectorError as error:
        logging.getLogger("receiver").error("%s", error)
        sys.exit(1)
