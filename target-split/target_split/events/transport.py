"""What carries a batch of events: HTTP, or a dry run that shows it and sends nothing."""

from __future__ import annotations

from typing import Protocol

import click

from target_split.api.client import Answer, Host
from target_split.api.events import BULK_PATH
from target_split.common.words import counted
from target_split.events.batch import Batch

# Enough to see how events look; a request may hold thousands.
SHOWN_EVENTS = 3


class Transport(Protocol):
    """Carries batches. Safe to use from any thread.

    Attributes:
        counts_as: Metric and reason by which events count that were accepted.
    """

    counts_as: tuple[str, str]

    def post(self, batch: Batch) -> Answer:
        """Post a batch once; errors as `Client.send`."""
        ...


class HttpTransport:
    """Posts batches to Split."""

    counts_as = ("records_sent", "")

    def __init__(self, host: Host) -> None:
        self._host = host

    def post(self, batch: Batch) -> Answer:
        """Post a batch once; errors as `Client.send`."""
        return self._host.send("POST", BULK_PATH, batch.body())


class DryRun:
    """Shows the first batch of each stream and answers as Split does when it accepts.

    What it shows goes to standard error: standard output is for states, which Meltano stores. The log is no place for
    it either, for it holds keys of people.
    """

    counts_as = ("records_skipped", "dry run")

    def __init__(self) -> None:
        self._shown: set[str] = set()

    def post(self, batch: Batch) -> Answer:
        """Show a batch if it is the first of its stream."""
        if batch.stream not in self._shown:
            self._shown.add(batch.stream)
            events = b"\n".join(batch.events[:SHOWN_EVENTS]).decode()
            click.echo(
                f"Dry run: the first request of stream '{batch.stream}' would go to {BULK_PATH} with "
                f"{counted(len(batch.events), 'event')} in {len(batch.body()):,} bytes. It begins with:\n{events}",
                err=True,
            )
        return Answer(202, {}, b"")
