"""The demo's pipelines, run through Meltano, and what each run says of itself."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from demo.processes import BIN, run


@dataclass(frozen=True)
class Pipeline:
    """One pipeline of the demo: what it is for, and the two plugins."""

    title: str
    tap: str
    target: str

    @property
    def command(self) -> str:
        return f"meltano run {self.tap} {self.target}"


PIPELINES = (
    Pipeline("Impressions as events", "tap-split-impressions", "target-amplitude"),
    Pipeline("Impressions as user properties", "tap-split-impressions", "target-amplitude-identify"),
    Pipeline("Impressions as exposures", "tap-split-impressions", "target-amplitude-exposure"),
    Pipeline("Amplitude events to Split", "tap-amplitude", "target-split"),
    Pipeline("Amplitude cohorts to segments", "tap-amplitude-cohorts", "target-split"),
)


@dataclass
class Outcome:
    """What a run did, by the counters of the target's closing summary."""

    pipeline: Pipeline
    started: float
    seconds: float
    counts: Counter[tuple[str, str]] = field(default_factory=Counter)

    def count(self, metric: str) -> int:
        return sum(count for (name, _), count in self.counts.items() if name == metric)

    def reasons(self, metric: str) -> dict[str, int]:
        return {reason: count for (name, reason), count in self.counts.items() if name == metric and count and reason}


def run_pipeline(pipeline: Pipeline, log: Path, environment: Mapping[str, str]) -> Outcome:
    started = time.monotonic()
    said = run([BIN / "meltano", "--log-format=json", "run", pipeline.tap, pipeline.target], log, environment)
    return Outcome(pipeline, started, time.monotonic() - started, counters(said))


def counters(said: str) -> Counter[tuple[str, str]]:
    """Add up the target's counters in Meltano's log, a JSON object per line, by metric and reason."""
    totals: Counter[tuple[str, str]] = Counter()
    for line in said.splitlines():
        if '"metric_info"' in line:
            logged = json.loads(line)
            point = logged["metric_info"]
            if logged["consumer"] and point["type"] == "counter":
                totals[point["metric"], point["tags"].get("reason", "")] += point["value"]
    return totals
