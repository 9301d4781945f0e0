"""What a run did, counted: the closing summary in words and as Singer metrics, and progress on the way."""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from .metrics import log_point
from .words import counted

PROGRESS_SECONDS = 30.0

Logger = logging.Logger | logging.LoggerAdapter[logging.Logger]


@dataclass(frozen=True)
class Phrase:
    """How a counter is said.

    Attributes:
        metric: Name of the counter.
        words: What follows the number.
        one: What follows the number one, if that differs.
        is_said_at_zero: Whether it is said also when nothing was counted.
        is_metric: Whether it is a Singer metric, too.
    """

    metric: str
    words: str
    is_said_at_zero: bool = True
    is_metric: bool = True
    one: str = ""


TARGET_PHRASES = (
    Phrase("records_read", "read"),
    Phrase("records_sent", "sent"),
    Phrase("records_deduplicated", "de-duplicated"),
    Phrase("records_skipped", "skipped"),
    Phrase("records_truncated", "truncated"),
    Phrase("records_rejected", "rejected"),
    Phrase("http_retry_count", "retries", one="retry"),
    Phrase("http_request_count", "requests", one="request"),
    Phrase("bytes_sent", "bytes", one="byte"),
)


class Summary:
    """Counters of a run. Thread-safe. The `phrases` are said in their order; other counters are metrics only."""

    def __init__(
        self, logger: Logger, metrics_logger: logging.Logger, phrases: Sequence[Phrase] = TARGET_PHRASES
    ) -> None:
        self._logger = logger
        self._metrics_logger = metrics_logger
        self._phrases = phrases
        self._counts: Counter[tuple[str, str, str]] = Counter()
        self._lock = threading.Lock()
        self._started = self._said = time.monotonic()
        self._closed = threading.Event()
        self._notes: list[str] = []

    def add(self, metric: str, count: int = 1, reason: str = "", stream: str = "") -> None:
        """Count something; `reason` tells rejects and skipped records apart by cause."""
        with self._lock:
            self._counts[metric, reason, stream] += count

    def note(self, line: str) -> None:
        """Keep a line that the closing summary says as a warning."""
        with self._lock:
            self._notes.append(line)

    def counts(self) -> dict[tuple[str, str], int]:
        """Return all counters by metric and reason."""
        totals: Counter[tuple[str, str]] = Counter()
        with self._lock:
            for (metric, reason, _), count in self._counts.items():
                totals[metric, reason] += count
        return dict(totals)

    def __getitem__(self, metric: str) -> int:
        return sum(count for (name, _), count in self.counts().items() if name == metric)

    @property
    def seconds(self) -> float:
        """Since the beginning of the run."""
        return time.monotonic() - self._started

    def start(self, every: float = PROGRESS_SECONDS) -> None:
        """Log progress at intervals until `close`, from a thread, because the run itself may be waiting."""
        threading.Thread(target=self._log_progress, args=(every,), daemon=True).start()

    def _log_progress(self, every: float) -> None:
        while not self._closed.wait(every):
            self._logger.info("So far: %s.", self._in_words())

    def progress(self, sentence: Callable[[], str]) -> None:
        """Log a sentence if nothing was logged for a while; it is made only then."""
        if time.monotonic() - self._said >= PROGRESS_SECONDS:
            self._said = time.monotonic()
            self._logger.info("%s", sentence())

    def close(self, *, failed: bool = False) -> None:
        """Log the closing summary, in words and as metrics."""
        self._closed.set()
        self._logger.info("%s: %s.", "Stopped" if failed else "Done", self._in_words())
        with self._lock:
            notes, counts = list(self._notes), dict(self._counts)
        for note in notes:
            self._logger.warning("%s", note)
        for phrase in self._phrases:
            if phrase.is_metric and not any(name == phrase.metric for name, _, _ in counts):
                counts[phrase.metric, "", ""] = 0
        unsaid = {phrase.metric for phrase in self._phrases if not phrase.is_metric}
        for (metric, reason, stream), count in sorted(counts.items()):
            if metric not in unsaid:
                log_point("counter", metric, count, {"reason": reason, "stream": stream}, self._metrics_logger)
        status = "failed" if failed else "succeeded"
        log_point("timer", "sync_duration", round(self.seconds, 3), {"status": status}, self._metrics_logger)

    def _in_words(self) -> str:
        parts = []
        counts = self.counts()
        for phrase in self._phrases:
            reasons = {why: n for (name, why), n in counts.items() if name == phrase.metric and n}
            if not reasons and not phrase.is_said_at_zero:
                continue
            detail = ", ".join(f"{n:,} {why}" for why, n in sorted(reasons.items()) if why)
            said = counted(sum(reasons.values()), phrase.one or phrase.words, phrase.words)
            parts.append(said + (f" ({detail})" if detail else ""))
        return ", ".join([*parts, f"{self.seconds:.1f} seconds"])
