"""What all streams share."""

from __future__ import annotations

import logging
import sys
from typing import Any

from singer_sdk import Stream

from ..errors import ConnectorError


class PlainStream(Stream):
    """A stream whose foreseen failures are one sentence."""

    def log(self, message: str, *args: Any, level: int = logging.INFO, **kwargs: Any) -> None:
        """Log, but leave the SDK's "unhandled error" away for failures that have a sentence of their own."""
        if not isinstance(sys.exc_info()[1], ConnectorError):
            super().log(message, *args, level=level, **kwargs)
