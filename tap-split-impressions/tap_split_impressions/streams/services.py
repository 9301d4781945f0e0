"""What the streams need from the tap, given to them when they are made."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

from tap_split_impressions.api.lists import AdminLists
from tap_split_impressions.common.summary import Summary
from tap_split_impressions.common.tap.writer import MessageWriter


@dataclass
class Services:
    """What streams share.

    Attributes:
        writer: Writes messages to standard output.
        summary: The counters of the run.
        stopping: Set once a signal has asked the run to end.
        exit_code: Returns the exit code of a run that a signal ended.
        admin_api: The lists of the Admin API, each fetched once; None without a key.
    """

    writer: MessageWriter
    summary: Summary
    stopping: threading.Event
    exit_code: Callable[[], int]
    admin_api: AdminLists | None = None

    def end_if_stopping(self) -> None:
        """End the run, with the exit code of the signal, if one has asked for it."""
        if self.stopping.is_set():
            raise SystemExit(self.exit_code())
