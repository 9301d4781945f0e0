"""tap-split-impressions: from files to Singer lines, and from posts to files."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from benchmarks.harness import BIN, Bound, Case, Way, background, spread

WAYS = "benchmarks.tap_split_impressions_ways"
RECORDS, FEW_RECORDS, FILES = 1_000_000, 100_000, 10_000
# What services send beside the webhook's own items.
ODD = {"member": "an unknown member in every item", "odd": "an odd item in 200"}
SHAPES = {
    "half": "half a surrogate pair in an item of 200",
    "text": "time as text",
    "float": "time as float",
    "names": "names of the S3 export",
    "listener": "single items of JavaScript listeners",
    "document": "one JSON document",
    "adjoining": "objects behind one another",
    "csv": "CSV",
}
FLATTENING: dict[str, object] = {"flattening_enabled": True, "flattening_max_depth": 2}
STREAM_MAP: dict[str, object] = {"stream_maps": {"impressions": {"key": "md5(key)"}}}
# Connections, impressions a second that the receiver stores, milliseconds within which 99 of 100 batches are answered.
BATCHES_OF_200 = {"batch": 200, "connections": 16, "rate": 20_000, "wait": 25}
BATCHES_OF_1 = {"batch": 1, "connections": 4, "rate": 2_500, "wait": 5}


def program(name: str, *arguments: object) -> list[str | Path]:
    """Return the command line of one of the programs beside this module."""
    return [sys.executable, "-m", f"{WAYS}.{name}", *map(str, arguments)]


def made(folder: Path, records: int, kind: str, files: int = 1) -> Path:
    """Make a folder of impression files."""
    path = folder / f"{kind}-{files}"
    subprocess.run(program("make_files", path, records, kind, files), check=True)
    return path


def tap(path: Path, **settings: object) -> Way:
    """Return the way of the tap over a folder."""
    config = path.with_suffix(f".{'-'.join(settings)}.json")
    config.write_text(json.dumps({"path": str(path), "settle_seconds": 0, **settings}))
    return Way([[BIN / "tap-split-impressions", "--config", config]])


def sdk(file: Path) -> Way:
    """Return the way of a plain tap over a file."""
    config = file.parent.with_suffix(".sdk.json")
    config.write_text(json.dumps({"path": str(file)}))
    return Way([program("sdk_tap", "--config", config)])


@contextmanager
def floor_ways(folder: Path, records: int, kind: str) -> Iterator[dict[str, Way]]:
    """Prepare: one file to RECORD messages, against the floor."""
    path = made(folder, records, kind)
    (file,) = path.iterdir()
    yield {"floor": Way([program("floor", file)]), "copy": Way([program("floor", file, "copy")]), "ours": tap(path)}


@contextmanager
def sdk_ways(folder: Path, records: int) -> Iterator[dict[str, Way]]:
    """Prepare: one file to RECORD messages, against the SDK's defaults."""
    path = made(folder, records, "stored")
    (file,) = path.iterdir()
    yield {"sdk": sdk(file), "ours": tap(path)}


@contextmanager
def shape_ways(folder: Path, records: int, shape: str) -> Iterator[dict[str, Way]]:
    """Prepare: the same impressions in another shape, against the usual one and against the floor on the same bytes."""
    path = made(folder, records, shape)
    (file,) = path.iterdir()
    ways = {"base": tap(made(folder, records, "stored")), "ours": tap(path)}
    yield ways if shape == "half" else ways | {"floor": Way([program("floor", file)])}


@contextmanager
def settings_ways(folder: Path, records: int, **settings: object) -> Iterator[dict[str, Way]]:
    """Prepare: the same file without and with settings that change what goes out."""
    path = made(folder, records, "stored")
    yield {"base": tap(path), "ours": tap(path, **settings)}


@contextmanager
def files_ways(folder: Path, records: int) -> Iterator[dict[str, Way]]:
    """Prepare: the same impressions in one file and in many."""
    yield {"one": tap(made(folder, records, "stored")), "many": tap(made(folder, records, "stored", FILES))}


@contextmanager
def receiver_ways(
    folder: Path, records: int, batch: int, connections: int, rate: int, wait: int
) -> Iterator[dict[str, Way]]:
    """Prepare: posts to a receiver, against the time they may take."""
    figures = folder / "waits"
    command: list[str | Path] = [BIN / "tap-split-impressions-webhook", "--path", folder / "impressions", "--port", "0"]
    with background(command) as listening:
        url = listening.split()[2].rstrip(",")
        pace = [sys.executable, "-c", f"import time; time.sleep({records / rate})"]
        yield {"pace": Way([pace]), "ours": Way([program("post", url, records, figures, batch, connections)])}
    waits = [float(line) for line in figures.read_text().split()]
    kept = "kept" if sorted(waits)[len(waits) // 2] < wait else "MISSED"
    print(f"* receiver: 99 of 100 batches answered in {spread(waits)} ms, promised {wait}: {kept}\n")


def cases() -> list[Case]:
    """Return the cases of this connector."""
    bounds = [Bound("ours", other="floor", times=1.5), Bound("ours", megabytes=150)]
    odd, other = [Bound("ours", other="base", times=1.2)], [Bound("ours", other="base", times=2.5)]
    name = "tap-split-impressions"
    shapes = [
        *(Case(f"{name}: {ODD[shape]}", RECORDS, partial(shape_ways, shape=shape), odd) for shape in ODD),
        *(Case(f"{name}: {SHAPES[shape]}", RECORDS, partial(shape_ways, shape=shape), other) for shape in SHAPES),
        Case(f"{name}: flattening", RECORDS, partial(settings_ways, **FLATTENING), other),
        Case(f"{name}: stream map", RECORDS, partial(settings_ways, **STREAM_MAP), other),
    ]
    return [
        Case("tap-split-impressions: JSON lines to records", RECORDS, partial(floor_ways, kind="stored"), bounds),
        Case("tap-split-impressions: Parquet to records", RECORDS, partial(floor_ways, kind="parquet"), bounds),
        Case("tap-split-impressions: against the SDK's defaults", FEW_RECORDS, sdk_ways),
        Case(
            "tap-split-impressions: 10,000 files against one",
            RECORDS,
            files_ways,
            [Bound("many", other="one", times=3.0), Bound("many", megabytes=150)],
        ),
        Case(
            "tap-split-impressions: receiver, gzipped batches of 200",
            200_000,
            partial(receiver_ways, **BATCHES_OF_200),
            [Bound("ours", other="pace", times=1.0)],
        ),
        Case(
            "tap-split-impressions: receiver, batches of 1 over 4 connections",
            20_000,
            partial(receiver_ways, **BATCHES_OF_1),
            [Bound("ours", other="pace", times=1.0)],
        ),
        *shapes,
    ]
