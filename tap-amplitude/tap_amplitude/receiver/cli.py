"""The command `tap-amplitude-webhook`."""

from __future__ import annotations

from typing import Any

import click

from tap_amplitude.common.receiver.server import receiver_options, run_command, serve
from tap_amplitude.common.receiver.settings import json_object
from tap_amplitude.webhook import NAME, create_app


@click.command()
@receiver_options(NAME)
@click.version_option(package_name="split-amplitude-tap-amplitude")
def command(**settings: Any) -> None:
    """Receive cohort changes and streamed events from Amplitude."""
    host, port, path = settings.pop("host"), settings.pop("port"), settings["path"]
    options = json_object(settings.pop("storage_options"))
    token = settings.pop("token") or ""
    serve(create_app(token=token, storage_options=options, **settings), host, port, path)


def main() -> None:
    """Run the command."""
    run_command(command)
