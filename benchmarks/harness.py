"""Runs the ways to do one job as real processes, in turns, and reports times as ratios and peak memory.

A noisy machine makes absolute times worthless, so each round runs every way once and ratios are taken within the
round. On a busy one, CPU time (user and system, of all processes of a way) still tells. The ways of a case are, where
they make sense: `floor` (the same bytes through the same libraries without Singer), `sdk` (a plain connector with the
SDK's defaults) and `ours`.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

BIN = Path(sys.executable).parent


@dataclass(frozen=True)
class Way:
    """One way to do the job: commands joined by pipes.

    Attributes:
        commands: Command lines; each reads the output of the one before.
        stdin: File that the first command reads.
        environment: Added to the environment of all.
        is_quoted: Whether the report quotes what its processes say on standard error.
    """

    commands: Sequence[Sequence[str | Path]]
    stdin: Path | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    is_quoted: bool = False


@dataclass(frozen=True)
class Bound:
    """A promise: `way` takes at most `times` × the time of `other`, or at most `megabytes` of memory."""

    way: str
    other: str = ""
    times: float = 0.0
    megabytes: float = 0.0


@dataclass(frozen=True)
class Case:
    """A job, and the ways to do it.

    Attributes:
        name: What is done, in a few words.
        records: Records in the input.
        prepare: Called with an empty folder and a number of records: makes the input, starts what is needed, yields
            the ways by name and stops what it started.
        bounds: Promises that the report compares the figures with.
    """

    name: str
    records: int
    prepare: Callable[[Path, int], AbstractContextManager[dict[str, Way]]]
    bounds: Sequence[Bound] = ()


@dataclass(frozen=True)
class Measured:
    """One run.

    Attributes:
        seconds: From the start to the end of the last process.
        cpu_seconds: User and system time of all processes.
        megabytes: Largest peak memory of a process.
        said: What the report quotes.
    """

    seconds: float
    cpu_seconds: float
    megabytes: float
    said: str = ""


def run(way: Way) -> Measured:
    """Run a way once.

    Raises:
        RuntimeError: One of its processes failed; the message holds the end of what it said.
    """
    with tempfile.TemporaryFile() as said:
        started = time.perf_counter()
        processes: list[subprocess.Popen[bytes]] = []
        source = way.stdin.open("rb") if way.stdin else subprocess.DEVNULL
        for position, command in enumerate(way.commands):
            last = position == len(way.commands) - 1
            process = subprocess.Popen(
                [str(part) for part in command],
                stdin=source,
                stdout=subprocess.DEVNULL if last else subprocess.PIPE,
                stderr=said,
                env=os.environ | dict(way.environment),
            )
            if not isinstance(source, int):
                source.close()  # the child has its own copy; ours would hide the end of the pipe
            processes.append(process)
            source = process.stdout or subprocess.DEVNULL
        ends = [os.wait4(process.pid, 0) for process in processes]
        seconds = time.perf_counter() - started
        for process, (_, status, _) in zip(processes, ends, strict=True):
            process.returncode = os.waitstatus_to_exitcode(status)
        said.seek(0)
        text = said.read().decode(errors="replace")
        if any(process.returncode for process in processes):
            raise RuntimeError(text[-2000:])
        usages = [usage for _, _, usage in ends]
        cpu_seconds = sum(usage.ru_utime + usage.ru_stime for usage in usages)
        peak = max(usage.ru_maxrss for usage in usages) / 1024
        return Measured(seconds, cpu_seconds, peak, text if way.is_quoted else "")


def measure(case: Case, rounds: int, records: int | None = None) -> dict[str, list[Measured]]:
    """Run all ways of a case in turns, `rounds` times."""
    with tempfile.TemporaryDirectory() as folder, case.prepare(Path(folder), records or case.records) as ways:
        measured: dict[str, list[Measured]] = {name: [] for name in ways}
        for _ in range(rounds):
            for name, way in ways.items():
                measured[name].append(run(way))
        return measured


def report(case: Case, measured: Mapping[str, Sequence[Measured]], records: int | None = None) -> Iterator[str]:
    """Yield the lines of a Markdown section on a measured case."""
    count = records or case.records
    yield f"### {case.name} ({count:,} records)"
    yield ""
    others = [name for name in ("floor", "sdk") if name in measured]
    heads = ["way", "seconds (min / median / max)", "CPU seconds", "records/s"]
    heads += [f"{kind}× {other}" for other in others for kind in ("", "CPU ")] + ["peak MB"]
    yield "| " + " | ".join(heads) + " |"
    yield "| --- |" + " ---: |" * (len(heads) - 1)
    for name, runs in measured.items():
        cells = [name, spread([one.seconds for one in runs]), spread([one.cpu_seconds for one in runs])]
        cells.append(f"{count / statistics.median(one.seconds for one in runs):,.0f}")
        for other in others:
            cells += [spread(ratios(runs, measured[other])), spread(cpu_ratios(runs, measured[other]))]
        cells.append(f"{max(one.megabytes for one in runs):,.0f}")
        yield "| " + " | ".join(cells) + " |"
    yield ""
    for runs in measured.values():
        yield from (f"* {line}" for line in runs[-1].said.splitlines())
    for bound in case.bounds:
        yield "* " + verdict(bound, measured)
    yield ""


def verdict(bound: Bound, measured: Mapping[str, Sequence[Measured]]) -> str:
    """Say whether a promise is kept in this run."""
    if bound.other:
        value = statistics.median(ratios(measured[bound.way], measured[bound.other]))
        cpu = statistics.median(cpu_ratios(measured[bound.way], measured[bound.other]))
        promise, kept = f"{bound.way} ≤ {bound.times:g} × {bound.other}", value <= bound.times
        return f"{promise}: {'kept' if kept else 'MISSED'} ({value:.2f} ×, CPU {cpu:.2f} ×)"
    peak = max(one.megabytes for one in measured[bound.way])
    return f"{bound.way} ≤ {bound.megabytes:g} MB: {'kept' if peak <= bound.megabytes else 'MISSED'} ({peak:.0f} MB)"


def ratios(runs: Sequence[Measured], others: Sequence[Measured]) -> list[float]:
    """Return times relative to another way's, round by round."""
    return [one.seconds / other.seconds for one, other in zip(runs, others, strict=True)]


def cpu_ratios(runs: Sequence[Measured], others: Sequence[Measured]) -> list[float]:
    """Return CPU times relative to another way's, round by round."""
    return [one.cpu_seconds / other.cpu_seconds for one, other in zip(runs, others, strict=True)]


def spread(values: Sequence[float]) -> str:
    """Write some figures as min / median / max."""
    return f"{min(values):.2f} / {statistics.median(values):.2f} / {max(values):.2f}"


@contextmanager
def background(command: Sequence[str | Path]) -> Iterator[str]:
    """Run a helper process that prints its URL as its first line; yield that line; stop it afterwards."""
    process = subprocess.Popen([str(part) for part in command], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
    finally:
        process.terminate()
        process.wait()
