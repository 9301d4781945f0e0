"""The command `tap-amplitude-webhook`."""

from __future__ import annotations

from typing import Any

import click

from tap_amplitude.common.receiver.server import json_object, receiver_options, run_command, serve
from tap_amplitude.webhook import VARIABLES, create_app


@click.command()
@receiver_options(VARIABLES)
@click.version_option(package_name="split-amplitude-tap-amplitude")
def command(**settings: Any) -> None:
    """Receive cohort changes and streamed events from Amplitude."""
    app = create_app(
        settings["path"],
        token=settings["token"] or "",
        storage_options=json_object(settings["storage_options"]),
        seal_seconds=settings["seal_seconds"],
        seal_bytes=settings["seal_bytes"],
    )
    serve(app, settings["host"], settings["port"], settings["path"])


def main() -> None:
    """Run the command."""
    run_command(command)
