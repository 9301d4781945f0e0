"""Bases of the taps and of their streams."""

from __future__ import annotations

import logging
import sys
from typing import Any

from singer_sdk import Stream, Tap

from ..cli import PlainMessages
from ..errors import ConnectorError
from ..stream_maps import unmatched


class PlainTap(PlainMessages, Tap):
    """A tap that says when its catalog or stream maps select nothing."""

    def sync_all(self) -> None:  # type: ignore[misc]  # only framed: nothing the SDK does in it is changed
        """Sync all selected streams."""
        for warning in unmatched(self.config.get("stream_maps"), self.streams):
            self.logger.warning("%s", warning)
        if not any(stream.selected for stream in self.streams.values()):
            self.logger.warning("No stream is selected, so nothing is read. Select streams in the catalog.")
        super().sync_all()


class PlainStream(Stream):
    """A stream whose foreseen failures are one sentence."""

    def log(self, message: str, *args: Any, level: int = logging.INFO, **kwargs: Any) -> None:
        """Log, but leave the SDK's "unhandled error" away for failures that have a sentence of their own."""
        if not isinstance(sys.exc_info()[1], ConnectorError):
            super().log(message, *args, level=level, **kwargs)
