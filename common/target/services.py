"""What all sinks and senders of a target share."""

from __future__ import annotations

import logging
import threading
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from ..summary import Summary
from .checkpoints import Checkpoints, Hold
from .rejects import Rejects


class Proof:
    """Holds back STATE behind records skipped for a reason that nobody asked for, until anything is accepted.

    Before that, the settings may be wrong: the run then fails, and the records must be read again.

    Args:
        checkpoints: Holds back STATE.
        unintended: Those reasons.
    """

    def __init__(self, checkpoints: Checkpoints, unintended: Collection[str]) -> None:
        self.unintended = unintended
        self._checkpoints = checkpoints
        self._hold: Hold | None = None
        self._is_given = False

    @property
    def is_wanted(self) -> bool:
        """Whether STATE waits for it."""
        return self._hold is not None

    def skipped(self, reason: str) -> None:
        """Hear that a record was skipped."""
        if not self._is_given and self._hold is None and reason in self.unintended:
            self._hold = self._checkpoints.begin()

    def give(self) -> None:
        """Let STATE pass from now on."""
        self._is_given = True
        if self._hold is not None:
            self._hold.done()
            self._hold = None


@dataclass(frozen=True)
class Services:
    """What all sinks and senders of a target share. Safe to use from any thread.

    Attributes:
        summary: Counts what the run does.
        rejects: Keeps records that can never be delivered.
        checkpoints: Holds back STATE until records are delivered.
        proof: Holds back STATE while all records are skipped unintentionally.
        stopping: Set when the run is to end: waits end, no further message is processed.
        logger: The target's logger.
    """

    summary: Summary
    rejects: Rejects
    checkpoints: Checkpoints
    proof: Proof
    stopping: threading.Event
    logger: logging.Logger

    def skip(self, reason: str, stream: str) -> None:
        """Count a record of a stream that is left out. From the main thread."""
        self.summary.add("records_skipped", 1, reason, stream)
        self.proof.skipped(reason)


@dataclass(frozen=True)
class Stream:
    """A stream as a sink sees it, after stream maps.

    Attributes:
        name: Its name.
        schema: JSON Schema of its records.
        key_properties: Columns that identify a record.
        is_mapped: Whether a stream map made it: its schema then only guesses the types of computed columns.
        is_incremental: Whether the tap says that it brings only what is new (`bookmark_properties`).
    """

    name: str
    schema: dict[str, Any]
    key_properties: list[str]
    is_mapped: bool = False
    is_incremental: bool = False
