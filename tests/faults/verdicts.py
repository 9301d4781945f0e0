"""How runs ended: a line of JSON each, and the tables made of many."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

COLUMNS = ("runs", "lost", "doubled", "ambiguous")


@dataclass
class Verdict:
    """How a run ended.

    Attributes:
        seed: With the pipeline's name it decides everything random.
        pipeline: Which pipeline.
        way: `pipe` or `meltano`.
        disturbances: Each fault that fired and each signal that met a living process.
        records: How many things had to arrive.
        attempts: How often the pipeline was started.
        lost: Neither in the service nor in the rejects, nor said to be ambiguous.
        doubled: There more often than they were put in.
        ambiguous: How many records target-split said to be ambiguous.
        rejected: How many stand in the rejects.
        problem: What else must not be, such as a traceback.
        seconds: How long it took.
    """

    seed: int
    pipeline: str
    way: str = "pipe"
    disturbances: list[str] = field(default_factory=list)
    records: int = 0
    attempts: int = 0
    lost: int = 0
    doubled: int = 0
    ambiguous: int = 0
    rejected: int = 0
    problem: str = ""
    seconds: float = 0.0

    @property
    def good(self) -> bool:
        """Nothing lost, nothing doubled but what was said to be ambiguous, nothing said that must not be."""
        return not self.problem and self.lost == 0 and self.doubled <= self.ambiguous


def tables(verdicts: list[Verdict]) -> str:
    """Return two Markdown tables: by pipeline, and by fault."""
    return "\n\n".join(
        (
            table("pipeline", ("records", "attempts", "rejected"), verdicts, pipelines_of),
            table("fault", (), verdicts, faults_of),
        )
    )


def table(
    title: str, more: tuple[str, ...], verdicts: Iterable[Verdict], rows_of: Callable[[Verdict], Iterable[str]]
) -> str:
    """Return a Markdown table; a run counts in each of its rows."""
    rows: dict[str, Counter[str]] = defaultdict(Counter)
    for verdict in verdicts:
        counts = {column: getattr(verdict, column) for column in (*COLUMNS[1:], *more)}
        for row in rows_of(verdict):
            rows[row].update(counts, runs=1, failed=not verdict.good)
    columns = ("runs", *more, *COLUMNS[1:], "failed")
    lines = [f"| {title} | {' | '.join(columns)} |", "| --- |" + " ---: |" * len(columns)]
    for row, count in sorted(rows.items()):
        lines.append(f"| {row} | {' | '.join(f'{count[column]:,}' for column in columns)} |")
    return "\n".join(lines)


def pipelines_of(verdict: Verdict) -> list[str]:
    """Return the rows of a run in the table of pipelines."""
    return [verdict.pipeline, "*all*"] + ([f"{verdict.pipeline}, through Meltano"] if verdict.way == "meltano" else [])


def faults_of(verdict: Verdict) -> set[str]:
    """Return the rows of a run in the table of faults."""
    return set(verdict.disturbances) or {"none"}
