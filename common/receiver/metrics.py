"""Counters of a receiver in Prometheus' text format.

https://prometheus.io/docs/instrumenting/exposition_formats/
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import accumulate

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)  # seconds


@dataclass
class Metrics:
    """What a receiver has done since it started; `text` says what each count is. Used by one thread."""

    connector: str
    batches: int = 0
    records: int = 0
    rejected: int = 0
    bytes: int = 0
    _responses: Counter[int] = field(default_factory=Counter)
    _seconds: float = 0.0
    _buckets: list[int] = field(default_factory=lambda: [0] * (len(BUCKETS) + 1))

    def observe(self, seconds: float, status: int) -> None:
        """Count a request by the time to its response, and by the response's HTTP status."""
        self._responses[status] += 1
        self._seconds += seconds
        self._buckets[bisect_left(BUCKETS, seconds)] += 1

    def text(self, unread_files: int | None) -> str:
        """Return all metrics; `unread_files` wait for a tap, None where counting them would be expensive."""
        lines: list[str] = []
        for name, value, meaning in (
            ("receiver_batches_total", self.batches, "Batches stored."),
            ("receiver_records_total", self.records, "Records stored."),
            ("receiver_rejected_total", self.rejected, "Records written to the rejects."),
            ("receiver_bytes_total", self.bytes, "Bytes of request bodies, as sent."),
        ):
            lines += self._metric(name, "counter", meaning, {"": value})
        responses = {f',status="{status}"': count for status, count in sorted(self._responses.items())}
        lines += self._metric("receiver_responses_total", "counter", "Responses by HTTP status.", responses)
        totals = accumulate(self._buckets)
        names = [*map(str, BUCKETS), "+Inf"]
        lines += self._metric("receiver_request_seconds", "histogram", "Time from a request to its answer.", {})
        lines += [
            self._sample("receiver_request_seconds_bucket", total, f',le="{name}"')
            for name, total in zip(names, totals, strict=True)
        ]
        lines.append(self._sample("receiver_request_seconds_sum", round(self._seconds, 6)))
        lines.append(self._sample("receiver_request_seconds_count", sum(self._buckets)))
        if unread_files is not None:
            meaning = "Complete files in the folder; prune removes those that have been read."
            lines += self._metric("receiver_unread_files", "gauge", meaning, {"": unread_files})
        return "\n".join(lines) + "\n"

    def _metric(self, name: str, kind: str, meaning: str, samples: Mapping[str, float]) -> list[str]:
        head = [f"# HELP {name} {meaning}", f"# TYPE {name} {kind}"]
        return head + [self._sample(name, value, labels) for labels, value in samples.items()]

    def _sample(self, name: str, value: float, labels: str = "") -> str:
        return f'{name}{{connector="{self.connector}"{labels}}} {value}'
