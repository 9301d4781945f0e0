"""Singer metrics as points of the SDK, whose structured log formatter exposes their fields.

https://sdk.meltano.com/en/latest/implementation/logging.html
"""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass
from typing import Any

from singer_sdk.metrics import Point, get_metrics_logger, log


@dataclass(frozen=True)
class _Name:
    """A metric's name; the SDK's own enumeration knows only its own."""

    value: str


def count(metric: str, value: int, **tags: str) -> None:
    """Log a counter, such as `records_skipped` with the tags `stream` and `reason`."""
    log_point("counter", metric, value, tags)


def gauge(metric: str, value: float, **tags: str) -> None:
    """Log a value that goes up and down, such as `bookmark_lag_seconds`."""
    log_point("gauge", metric, value, tags)


def log_point(kind: str, metric: str, value: float, tags: dict[str, Any], logger: logging.Logger | None = None) -> None:
    """Log a measurement.

    Args:
        kind: `counter`, `gauge` or `timer`.
        metric: Its name.
        value: A number; of a timer, seconds.
        tags: What it is about: `stream`, `reason`, `endpoint`; blank ones are left out, `pid` is added.
        logger: Where to; by default the SDK's logger of metrics.
    """
    known = {name: text for name, text in tags.items() if text != ""} | {"pid": os.getpid()}
    name: Any = _Name(metric)
    log(logger or get_metrics_logger(), Point(kind, name, value, known))
