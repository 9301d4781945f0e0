"""What `dry_run` does in place of sending: shows the first request of each kind."""

from __future__ import annotations

import threading

import click

from .delivery import Checkpoints
from .packing import Request
from .routes import Route
from .summary import Summary

# Enough to see how things look; a whole request may hold megabytes.
SHOWN_ITEMS = 3


class Rehearsal:
    """Takes requests as `Courier` does and sends nothing.

    What it shows goes to standard error: standard output is for states, which Meltano stores.
    """

    due = False
    undelivered = 0

    def __init__(self, checkpoints: Checkpoints, summary: Summary) -> None:
        self._checkpoints = checkpoints
        self._summary = summary
        self._shown: set[str] = set()
        self._lock = threading.Lock()

    def deliver(self, request: Request | None) -> None:
        """Show a request if it is the first of its kind."""
        if request is None:
            return
        with self._lock:
            self._summary.add("records_skipped", len(request.items), "dry run")
            if request.route.kind not in self._shown:
                self._shown.add(request.route.kind)
                click.echo(in_words(request), err=True)
            request.load.left -= len(request.items)
            if not request.load.left:
                self._checkpoints.finish(request.load.work)


def in_words(request: Request) -> str:
    """Describe a request and its first items. The API key is not part of it."""
    route: Route = request.route
    shown = [route.json_text(part).decode() for _, part in request.items[:SHOWN_ITEMS]]
    return (
        f"Dry run: the first request of {route.kind} would go to {route.endpoint.path} with "
        f"{len(request.items):,} {route.kind} in {request.size:,} bytes. It begins with:\n" + "\n".join(shown)
    )
