"""The command `tap-split-impressions-webhook`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from tap_split_impressions.common.errors import ConnectorError
from tap_split_impressions.common.folder.folder import Folder
from tap_split_impressions.common.receiver.assembly import json_object
from tap_split_impressions.common.receiver.server import receiver_options, run_command, serve
from tap_split_impressions.common.words import counted
from tap_split_impressions.folder.prune import prune, seconds_of, stream_state
from tap_split_impressions.webhook import NAME, create_app


@click.group(invoke_without_command=True)
@receiver_options(NAME)
@click.version_option(package_name=NAME)
@click.pass_context
def command(context: click.Context, /, **settings: Any) -> None:
    """Receive impressions from Split's webhook, Evaluator, Synchronizer, Proxy or JavaScript listener."""
    if context.invoked_subcommand is None:
        serve(create_app, **settings)


@command.command("prune")
@click.option("--path", help="Folder or URL to clean up; default is the one before the command.")
@click.option("--older-than", required=True, help="Only files that arrived longer ago than this, such as 12h or 7d.")
@click.option(
    "--state",
    "states",
    required=True,
    multiple=True,
    type=click.Path(path_type=Path),
    help="The state of a pipeline that reads the folder; repeat for each further one.",
)
@click.pass_context
def prune_command(context: click.Context, /, path: str | None, older_than: str, states: tuple[Path, ...]) -> None:
    """Remove files that all given states have passed, and no others."""
    settings = context.parent.params if context.parent else {}
    path = path or settings.get("path")
    if not path:
        raise ConnectorError("No folder to clean up: give --path.")
    folder = Folder(path, json_object(settings.get("storage_options", "")))
    removed, waiting = prune(folder, [stream_state(state) for state in states], seconds_of(older_than))
    print(f"Removed {counted(removed, 'file')}; {waiting} old ones stay because they have not been read.")  # noqa: T201  # what the command is for


def main() -> None:
    """Run the command."""
    run_command(command)
