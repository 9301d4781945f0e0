"""The command `tap-split-impressions-webhook`."""

from __future__ import annotations

import asyncio
import json
import logging
import signal
import sys
from pathlib import Path
from typing import Any

import click

from tap_split_impressions.common.errors import ConnectorError
from tap_split_impressions.folder.folder import Folder
from tap_split_impressions.folder.prune import prune, seconds_of, stream_state
from tap_split_impressions.receiver.log import AsideHandler
from tap_split_impressions.receiver.storage import SEAL_BYTES, SEAL_SECONDS

STOP_SECONDS = 10  # for requests in work when asked to stop


@click.group(invoke_without_command=True)
@click.option("--path", envvar="TAP_SPLIT_IMPRESSIONS_PATH", help="Folder or URL to write to; the tap's setting path.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on; 0.0.0.0 for all.")
@click.option("--port", default=8080, show_default=True, help="Port to listen on; 0 takes a free one.")
@click.option(
    "--token",
    envvar="TAP_SPLIT_IMPRESSIONS_WEBHOOK_TOKEN",
    help="What senders must show, as ?token= or Authorization: Bearer. Better given by the variable of this name: "
    "TAP_SPLIT_IMPRESSIONS_WEBHOOK_TOKEN.",
)
@click.option(
    "--storage-options",
    envvar="TAP_SPLIT_IMPRESSIONS_STORAGE_OPTIONS",
    default="{}",
    help="Options of the storage library as JSON; the tap's setting storage_options.",
)
@click.option("--seal-seconds", default=SEAL_SECONDS, show_default=True, help="Age at which a file goes to the tap.")
@click.option("--seal-bytes", default=SEAL_BYTES, show_default=True, help="Size at which a file goes to the tap.")
@click.version_option(package_name="tap-split-impressions")
@click.pass_context
def command(context: click.Context, /, **settings: Any) -> None:
    """Receive impressions from Split's webhook, Evaluator, Synchronizer, Proxy or JavaScript listener."""
    if context.invoked_subcommand is None:
        serve(**settings)


@command.command("prune")
@click.option("--path", help="Folder or URL to clean up; default is the one before the command.")
@click.option("--older-than", required=True, help="Only files that arrived longer ago than this, such as 12h or 7d.")
@click.option(
    "--state",
    "states",
    required=True,
    multiple=True,
    type=click.Path(path_type=Path),
    help="The state of a pipeline that reads the folder; again for each further one.",
)
@click.pass_context
def prune_command(context: click.Context, /, path: str | None, older_than: str, states: tuple[Path, ...]) -> None:
    """Remove files that all given states have passed, and no others."""
    settings = context.parent.params if context.parent else {}
    path = path or settings.get("path")
    if not path:
        raise ConnectorError("No folder to clean up: give --path.")
    folder = Folder(path, parsed(settings.get("storage_options", "")))
    removed, waiting = prune(folder, [stream_state(state) for state in states], seconds_of(older_than))
    print(f"Removed {removed} files; {waiting} old ones stay because they have not been read.")  # noqa: T201


def serve(  # noqa: PLR0913
    *,
    path: str | None,
    host: str,
    port: int,
    token: str | None,
    storage_options: str,
    seal_seconds: float,
    seal_bytes: int,
) -> None:
    """Listen until SIGTERM or SIGINT, then seal the file in work."""
    try:
        import uvicorn  # noqa: PLC0415

        from tap_split_impressions.receiver.slow_clients import PatientProtocol, allow_many_connections  # noqa: PLC0415
        from tap_split_impressions.webhook import create_app  # noqa: PLC0415
    except ImportError as error:
        raise ConnectorError("A library is missing: pip install 'tap-split-impressions[webhook]'.") from error

    class Server(uvicorn.Server):
        async def startup(self, sockets: Any = None) -> None:
            await super().startup(sockets)
            if self.started:
                shown = self.servers[0].sockets[0].getsockname()[1]
                print(f"Listening on http://{host}:{shown}, writing to {path}", flush=True)  # noqa: T201

    app = create_app(
        path,
        token=token or "",
        storage_options=parsed(storage_options),
        seal_seconds=seal_seconds,
        seal_bytes=seal_bytes,
    )
    # Without an access log: it would hold the token of ?token=.
    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        http=PatientProtocol,
        access_log=False,
        log_config=None,
        log_level="warning",
        timeout_graceful_shutdown=STOP_SECONDS,
    )
    # uvicorn hands the signal on after its shutdown; being asked to stop is no failure.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: sys.exit(0))
    allow_many_connections()
    asyncio.run(Server(config).serve())


def parsed(text: str) -> dict[str, Any]:
    """Return an option that holds a JSON object.

    Raises:
        ConnectorError: When it is none.
    """
    try:
        value = json.loads(text or "{}")
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise ConnectorError("--storage-options must be a JSON object.")
    return value


def main() -> None:
    """Run the command; a foreseen failure is one sentence and exit code 1."""
    form = "%(asctime)s | %(levelname)-8s | %(message)s"
    logging.basicConfig(format=form, level=logging.INFO, handlers=[AsideHandler()])
    try:
        command()
    except ConnectorError as error:
        logging.getLogger("tap-split-impressions.receiver").error("%s", error)  # noqa: TRY400
        sys.exit(1)
