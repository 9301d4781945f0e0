"""What `dry_run` does in place of sending: shows the first request of each kind."""

from __future__ import annotations

import threading

import click

from target_amplitude.api.endpoints import Route
from target_amplitude.common.target.delivery import finish
from target_amplitude.common.target.summary import Summary
from target_amplitude.delivery.batching import Item

# Enough to see how things look; a whole request may hold megabytes.
SHOWN_ITEMS = 3


class DryRun:
    """Takes requests as `Sender` does and sends nothing.

    What it shows goes to standard error: standard output is for states, which Meltano stores.
    """

    due = False
    undelivered = 0

    def __init__(self, summary: Summary) -> None:
        self._summary = summary
        self._shown: set[str] = set()
        self._lock = threading.Lock()

    def deliver(self, items: list[Item] | None) -> None:
        """Show a request if it is the first of its kind."""
        if not items:
            return
        with self._lock:
            self._summary.add("records_skipped", len(items), "dry run")
            route = items[0].route
            if route.kind not in self._shown:
                self._shown.add(route.kind)
                click.echo(in_words(route, items), err=True)
        finish(items)


def in_words(route: Route, items: list[Item]) -> str:
    """Describe a request and its first items. The API key is not part of it."""
    size = len(route.body([item.sent for item in items]))
    shown = [route.json_text(item.sent).decode() for item in items[:SHOWN_ITEMS]]
    return (
        f"Dry run: the first request of {route.kind} would go to {route.endpoint.path} with "
        f"{len(items):,} {route.kind} in {size:,} bytes. It begins with:\n" + "\n".join(shown)
    )
