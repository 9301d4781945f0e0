"""Base of the taps."""

from __future__ import annotations

from singer_sdk import Tap

from ..cli import PlainMessages
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
