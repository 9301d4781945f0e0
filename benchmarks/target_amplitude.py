"""target-amplitude: impressions as Singer lines to requests, as events and as user properties; memory."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.harness import BIN, Bound, Case, Way, background

HELPERS = "benchmarks.target_amplitude_ways"
RECORDS, MANY_RECORDS = 300_000, 1_000_000
SHAPES = ("usual", "half a surrogate pair", "long text", "not a number")
SDK_RECORDS = 150_000  # both spend a second or more on starting; of fewer records it would be a large part


def helper(name: str, *arguments: str | Path) -> list[str | Path]:
    """Return the command of a helper program."""
    return [sys.executable, "-m", f"{HELPERS}.{name}", *arguments]


def ours(folder: Path, url: str, **settings: Any) -> list[str | Path]:
    """Return the command of target-amplitude."""
    config = folder / f"target-{len(list(folder.iterdir()))}.json"
    config.write_text(json.dumps({"api_key": "bench", "api_url": url, "compression": "gzip", **settings}))
    return [BIN / "target-amplitude", "--config", config]


@contextmanager
def prepared(folder: Path, records: int, shape: str = "usual") -> Iterator[tuple[Path, str]]:
    """Write Singer lines and start what takes the requests; yield the lines' file and the address."""
    lines = folder / "input.singer"
    subprocess.run(helper("make_lines", lines, str(records), shape), check=True)
    with background(helper("sink")) as url:
        yield lines, url


@contextmanager
def floor_ways(folder: Path, records: int) -> Iterator[dict[str, Way]]:
    """Prepare: lines to requests, and the least that this takes."""
    with prepared(folder, records) as (lines, url):
        yield {
            "floor": Way([helper("floor", url)], lines),
            "ours": Way([ours(folder, url)], lines),
            "ours, one worker": Way([ours(folder, url, max_parallel_requests=1)], lines),
            "ours, exposures, dedupe day": Way([ours(folder, url, load_as="exposure", dedupe="day")], lines),
        }


@contextmanager
def exported_ways(folder: Path, records: int) -> Iterator[dict[str, Way]]:
    """Prepare: exported events as a native stream, and the least that the same columns take."""
    mapping = {"events": {"time": "event_time", "insert_id": "$insert_id"}}
    with prepared(folder, records, "exported") as (lines, url):
        yield {
            "floor": Way([helper("floor", url, "exported")], lines),
            "ours": Way([ours(folder, url, mappings=mapping)], lines),
        }


@contextmanager
def shape_ways(folder: Path, records: int) -> Iterator[dict[str, Way]]:
    """Prepare: impressions with something odd in every one, beside the usual ones."""
    ways = {}
    with background(helper("sink")) as url:
        for shape in SHAPES:
            lines = folder / f"{shape.replace(' ', '-')}.singer"
            subprocess.run(helper("make_lines", lines, str(records), shape), check=True)
            ways[shape] = Way([ours(folder, url)], lines)
        yield ways


@contextmanager
def identify_ways(folder: Path, records: int) -> Iterator[dict[str, Way]]:
    """Prepare: impressions of 20,000 users, as events and as user properties."""
    with prepared(folder, records, "few users") as (lines, url):
        yield {
            "events": Way([ours(folder, url)], lines),
            "user properties": Way([ours(folder, url, load_as="identify")], lines),
        }


@contextmanager
def sdk_ways(folder: Path, records: int) -> Iterator[dict[str, Way]]:
    """Prepare: the same beside the SDK's defaults."""
    with prepared(folder, records) as (lines, url):
        config = folder / "sdk.json"
        config.write_text(json.dumps({"url": url}))
        yield {
            "sdk": Way([helper("sdk_target", "--config", config)], lines),
            "ours": Way([ours(folder, url)], lines),
        }


@contextmanager
def memory_ways(folder: Path, records: int) -> Iterator[dict[str, Way]]:
    """Prepare: many lines."""
    with prepared(folder, records) as (lines, url):
        yield {
            "ours": Way([ours(folder, url)], lines),
            "ours, exposures, dedupe day": Way([ours(folder, url, load_as="exposure", dedupe="day")], lines),
            "ours, user properties": Way([ours(folder, url, load_as="identify")], lines),
        }


def cases() -> list[Case]:
    """Return the cases of this connector."""
    return [
        Case(
            "target-amplitude: lines to requests",
            RECORDS,
            floor_ways,
            [Bound("ours", other="floor", times=1.2), Bound("ours", megabytes=150)],
        ),
        Case(
            "target-amplitude: exported events as a native stream",
            RECORDS,
            exported_ways,
            [Bound("ours", other="floor", times=1.3)],
        ),
        Case(
            "target-amplitude: impressions with something odd in every one",
            RECORDS,
            shape_ways,
            [Bound(shape, other="usual", times=1.3) for shape in SHAPES[1:]],
        ),
        Case(
            "target-amplitude: user properties of 20,000 users",
            MANY_RECORDS,
            identify_ways,
            [Bound("user properties", other="events", times=1.0), Bound("user properties", megabytes=150)],
        ),
        Case(
            "target-amplitude: beside the SDK's defaults",
            SDK_RECORDS,
            sdk_ways,
            [Bound("ours", other="sdk", times=1 / 8)],
        ),
        Case(
            "target-amplitude: memory",
            MANY_RECORDS,
            memory_ways,
            [Bound(way, megabytes=150) for way in ("ours", "ours, exposures, dedupe day", "ours, user properties")],
        ),
    ]
