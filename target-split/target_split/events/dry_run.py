"""What `dry_run` does in place of posting: shows the first events of each stream."""

from __future__ import annotations

import click

from target_split.common.target.summary import Summary
from target_split.events.batching import Batch, body_of
from target_split.events.sender import BULK_PATH

# Enough to see how events look; a request may hold thousands.
SHOWN_EVENTS = 3


class Rehearsal:
    """Takes batches as `Posting` does and sends nothing.

    What it shows goes to standard error: standard output is for states, which Meltano stores. The log is no place for
    it either, for it holds keys of people.
    """

    def __init__(self, summary: Summary) -> None:
        self._summary = summary
        self._shown: set[str] = set()

    def deliver(self, batch: Batch) -> None:
        """Show a batch if it is the first of its stream."""
        self._summary.add("records_skipped", len(batch.events), "dry run")
        if batch.stream in self._shown:
            return
        self._shown.add(batch.stream)
        events = b"\n".join(event.sent for event in batch.events[:SHOWN_EVENTS]).decode()
        size = len(body_of([event.sent for event in batch.events]))
        click.echo(
            f"Dry run: the first request of stream '{batch.stream}' would go to {BULK_PATH} with "
            f"{len(batch.events):,} events in {size:,} bytes. It begins with:\n{events}",
            err=True,
        )
