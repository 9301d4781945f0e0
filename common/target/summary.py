"""What a run did, counted: the closing summary in words and as Singer metrics, and progress on the way.

The same file stands in both targets (they share no library); a test holds the copies equal.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from dataclasses import dataclass
from typing import Any

from singer_sdk.singerlib.json import serialize_json

PROGRESS_SECONDS = 30.0


@dataclass(frozen=True)
class Phrase:
    """How a counter is said."""

    metric: str
    words: str


PHRASES = (
    Phrase("records_read", "read"),
    Phrase("records_sent", "sent"),
    Phrase("records_deduplicated", "de-duplicated"),
    Phrase("records_skipped", "left out"),
    Phrase("records_shortened", "shortened"),
    Phrase("records_rejected", "rejected"),
    Phrase("http_retry_count", "retries"),
    Phrase("http_request_count", "requests"),
    Phrase("bytes_sent", "bytes"),
)


class Summary:
    """Counters of a run. Thread-safe.

    Args:
        logger: Takes the words.
        metrics_logger: Takes the Singer metrics.
    """

    def __init__(self, logger: logging.Logger, metrics_logger: logging.Logger) -> None:
        self._logger = logger
        self._metrics_logger = metrics_logger
        self._counts: Counter[tuple[str, str]] = Counter()
        self._lock = threading.Lock()
        self._started = time.monotonic()
        self._closed = threading.Event()
        self._notes: list[str] = []

    def add(self, metric: str, count: int = 1, reason: str = "") -> None:
        """Count something; `reason` tells rejects and the like apart."""
        with self._lock:
            self._counts[metric, reason] += count

    def note(self, line: str) -> None:
        """Keep a line that the closing summary says as a warning."""
        with self._lock:
            self._notes.append(line)

    def counts(self) -> dict[tuple[str, str], int]:
        """Return all counters by metric and reason."""
        with self._lock:
            return dict(self._counts)

    def start(self, every: float = PROGRESS_SECONDS) -> None:
        """Say how far the run is, now and then, until `close`: from a thread, for the run itself may be waiting."""
        threading.Thread(target=self._say_progress, args=(every,), daemon=True).start()

    def _say_progress(self, every: float) -> None:
        while not self._closed.wait(every):
            self._logger.info("So far: %s.", self._in_words())

    def close(self, *, failed: bool = False) -> None:
        """Log the closing summary, in words and as metrics."""
        self._closed.set()
        self._logger.info("%s: %s.", "Stopped" if failed else "Done", self._in_words())
        with self._lock:
            notes = list(self._notes)
        for note in notes:
            self._logger.warning("%s", note)
        counts = self.counts()
        for phrase in PHRASES:
            counts.setdefault((phrase.metric, ""), 0)
        for (metric, reason), count in sorted(counts.items()):
            self._point("counter", metric, count, {"reason": reason} if reason else {})
        seconds = round(time.monotonic() - self._started, 3)
        self._point("timer", "sync_duration", seconds, {"status": "failed" if failed else "succeeded"})

    def _in_words(self) -> str:
        parts = []
        counts = self.counts()
        for phrase in PHRASES:
            reasons = {why: n for (name, why), n in counts.items() if name == phrase.metric and n}
            detail = ", ".join(f"{n:,} {why}" for why, n in sorted(reasons.items()) if why)
            parts.append(f"{sum(reasons.values()):,} {phrase.words}" + (f" ({detail})" if detail else ""))
        return ", ".join(parts) + f", {time.monotonic() - self._started:.1f} seconds"

    def _point(self, kind: str, metric: str, value: float, tags: dict[str, Any]) -> None:
        point = {"type": kind, "metric": metric, "value": value, "tags": tags}
        self._metrics_logger.info("METRIC: %s", serialize_json(point))
