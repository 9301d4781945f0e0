"""What a run did: counted from all threads, said in words and as Singer metrics at its end, progress on the way."""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from singer_sdk.metrics import Point, log

PROGRESS_SECONDS = 30.0
# Counters in words; those at zero are left out.
WORDS = {
    "events": "{:,} events",
    "hours": "{:,} hours with events",
    "empty_windows": "{:,} windows without events",
    "cohort_members": "{:,} cohort members",
    "cohort_changes": "{:,} cohort changes",
    "files": "{:,} files",
    "messages_repeated": "{:,} repeated messages (skipped)",
    "users_without_id": "{:,} users without an id (skipped)",
    "other_records": "{:,} other records",
    "events_skipped": "{:,} events skipped by 'event_types'",
    "records_skipped": "{:,} unreadable rows (quarantined)",
    "rows_without_key": "{:,} rows without a key (skipped)",
    "values_nulled": "{:,} values of a wrong type (made null)",
    "http_request_count": "{:,} requests",
    "http_retry_count": "{:,} retries",
    "bytes_received": "{:,} bytes",
}
METRICS = ("records_skipped", "values_nulled", "http_request_count", "http_retry_count", "bytes_received")
TAGS = {"records_skipped": {"reason": "unreadable"}}


class Summary:
    """Counters of one run."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._started = time.monotonic()
        self._said = self._started

    def add(self, name: str, count: int = 1) -> None:
        """Count something; safe from any thread."""
        with self._lock:
            self._counts[name] += count

    def __getitem__(self, name: str) -> int:
        return self._counts[name]

    @property
    def seconds(self) -> float:
        """Since the beginning of the run."""
        return time.monotonic() - self._started

    def progress(self, logger: logging.Logger, sentence: Callable[[], str]) -> None:
        """Log a sentence when nothing was said for a while; it is made only then."""
        if time.monotonic() - self._said >= PROGRESS_SECONDS:
            self._said = time.monotonic()
            logger.info("%s", sentence())

    def close(self, logger: logging.Logger, metrics_logger: logging.Logger) -> None:
        """Log what the run did, in words and as metrics."""
        parts = [words.format(self[name]) for name, words in WORDS.items() if self[name]]
        logger.info("Read %s in %.1f s.", ", ".join(parts) or "nothing", self.seconds)
        for name in METRICS:
            log(metrics_logger, point("counter", name, self[name], TAGS.get(name, {})))
        log(metrics_logger, point("timer", "sync_duration", round(self.seconds, 3), {}))


def point(kind: str, name: str, value: float, tags: dict[str, Any]) -> Point[Any]:
    """Return a measurement under a name of our own; the SDK's type only knows its own names."""
    return Point(kind, SimpleNamespace(value=name), value, tags)  # type: ignore[arg-type]
