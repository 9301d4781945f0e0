"""What all sinks and senders of a target share."""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass
from typing import Any

from ..summary import Summary
from .checkpoints import Checkpoints
from .rejects import Rejects


@dataclass(frozen=True)
class Services:
    """What all sinks and senders of a target share. Safe to use from any thread.

    Attributes:
        summary: Counts what the run does.
        rejects: Keeps records that can never be delivered.
        checkpoints: Holds back STATE until records are delivered.
        stopping: Set when the run is to end: waits end, no further message is processed.
        logger: The target's logger.
    """

    summary: Summary
    rejects: Rejects
    checkpoints: Checkpoints
    stopping: threading.Event
    logger: logging.Logger


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
