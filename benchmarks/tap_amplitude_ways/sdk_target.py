"""A plain target with the SDK's defaults that does nothing with its rows: what it takes to receive them."""

from __future__ import annotations

from typing import Any

from singer_sdk import Target
from singer_sdk.sinks import BatchSink


class Sink(BatchSink):
    """Lets rows pass."""

    def process_batch(self, context: dict[str, Any]) -> None:
        """Do nothing."""


class PlainTarget(Target):
    """Nothing but the defaults."""

    name = "plain-target"
    default_sink_class = Sink


PlainTarget.cli()
