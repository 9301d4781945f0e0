"""What the streams need from the tap, given to them when they are made."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import NoReturn

from tap_split_impressions.api.admin_v2 import AdminV2
from tap_split_impressions.api.admin_v4 import AdminV4
from tap_split_impressions.common.summary import Summary
from tap_split_impressions.common.tap.writer import MessageWriter

# The lists of one workspace (Harness: project) over either API, in the shapes of v2, each fetched once. Every list may
# raise `ConnectorError`: Split refuses it, or the retry deadline is over.
AdminLists = AdminV2 | AdminV4


@dataclass
class Services:
    """What streams share.

    Attributes:
        stopping: Set once a signal has asked the run to end.
        end: Ends the run with the exit code of the signal that asked for it.
        admin_api: The lists of the Admin API, each fetched once; None without a key.
    """

    writer: MessageWriter
    summary: Summary
    stopping: threading.Event
    end: Callable[[], NoReturn]
    admin_api: AdminLists | None = None

    def end_if_stopping(self) -> None:
        """End the run if a signal has asked for it."""
        if self.stopping.is_set():
            self.end()
