"""The command `tap-amplitude-webhook`."""

from __future__ import annotations

from typing import Any

import click

from tap_amplitude.common.receiver.server import receiver_options, run_command, serve
from tap_amplitude.webhook import NAME, create_app


@click.command()
@receiver_options(NAME)
@click.version_option(package_name="split-amplitude-tap-amplitude")
def command(**settings: Any) -> None:
    """Receive cohort changes and streamed events from Amplitude."""
    serve(create_app, **settings)


def main() -> None:
    """Run the command."""
    run_command(command)
