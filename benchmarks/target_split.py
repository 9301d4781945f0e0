"""target-split: Singer lines to requests, with the ledger; the ledger alone; from an archive of Amplitude to Split."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.data import export_rows, singer_lines
from benchmarks.harness import BIN, Bound, Case, Way, background
from benchmarks.tap_amplitude import served
from benchmarks.target_split_ways.shapes import SHAPES, shaped
from tap_amplitude.tap import TapAmplitude

HELPERS = Path(__file__).parent / "target_split_ways"
RECORDS, MANY_RECORDS = 200_000, 1_000_000
SHAPED_RECORDS = 100_000
SDK_RECORDS = 40_000  # the SDK takes about a minute for each 100,000
LEDGER_IDS = 5_000_000


def rows(count: int) -> Iterator[dict[str, Any]]:
    """Yield exported events as tap-amplitude emits them."""
    for row in export_rows(count):
        times = {name: value.replace(" ", "T") + "Z" for name, value in row.items() if name.endswith("_time") and value}
        yield row | times


def events_schema() -> dict[str, Any]:
    """Return the schema of tap-amplitude's `events`."""
    tap = TapAmplitude(config={"api_key": "bench", "secret_key": "bench"})
    return next(dict(s["schema"]) for s in tap.catalog_dict["streams"] if s["stream"] == "events")


def ours(folder: Path, url: str, **settings: Any) -> list[str | Path]:
    """Return the command of target-split with a ledger that is empty at every start."""
    config, ledger = folder / f"target-{len(list(folder.iterdir()))}.json", folder / "ledger.sqlite"
    basics = {"sdk_api_key": "bench-sdk-key", "events_url": url, "ledger_path": str(ledger)}
    config.write_text(json.dumps(basics | settings))
    afresh = f"import pathlib; pathlib.Path({str(ledger)!r}).unlink(missing_ok=True)"
    start = "from target_split.target import TargetSplit; TargetSplit.cli()"
    return [sys.executable, "-c", f"{afresh}; {start}", "--config", config]


@contextmanager
def prepared(folder: Path, records: int) -> Iterator[tuple[Path, str]]:
    """Write Singer lines and start what takes the requests; yield the lines' file and the address."""
    lines = folder / "input.singer"
    with lines.open("wb") as file:
        file.writelines(singer_lines("events", events_schema(), ["uuid"], rows(records)))
    with background([sys.executable, HELPERS / "sink.py"]) as url:
        yield lines, url


@contextmanager
def floor_ways(folder: Path, records: int) -> Iterator[dict[str, Way]]:
    """Prepare: Singer lines to requests, and the least that this takes."""
    with prepared(folder, records) as (lines, url):
        yield {
            "floor": Way([[sys.executable, HELPERS / "floor.py", url]], lines),
            "ours": Way([ours(folder, url)], lines),
        }


@contextmanager
def shape_ways(folder: Path, records: int) -> Iterator[dict[str, Way]]:
    """Prepare: rows of other shapes, and settings that want more of each row."""
    with prepared(folder, records) as (lines, url):
        ways = {
            "ours": Way([ours(folder, url)], lines),
            "all properties": Way([ours(folder, url, properties=["*"])], lines),
            "flattening": Way([ours(folder, url, flattening_enabled=True, flattening_max_depth=3)], lines),
        }
        for name, shape in SHAPES.items():
            path = folder / f"{name}.singer".replace(" ", "-")
            write_lines(path, shaped(rows(records), shape))
            ways[name] = Way([ours(folder, url)], path)
        yield ways


def write_lines(path: Path, records: Iterator[dict[str, Any]]) -> None:
    """Write Singer lines as Python's own writer does: it also writes what JSON does not allow."""
    messages = ({"type": "RECORD", "stream": "events", "record": record} for record in records)
    schema = {"type": "SCHEMA", "stream": "events", "schema": events_schema(), "key_properties": ["uuid"]}
    with path.open("w", encoding="ascii") as file:
        file.writelines(json.dumps(message) + "\n" for message in [schema])
        file.writelines(json.dumps(message) + "\n" for message in messages)


@contextmanager
def sdk_ways(folder: Path, records: int) -> Iterator[dict[str, Way]]:
    """Prepare: the same beside the SDK's defaults."""
    with prepared(folder, records) as (lines, url):
        config = folder / "sdk.json"
        config.write_text(json.dumps({"url": url}))
        yield {
            "sdk": Way([[sys.executable, HELPERS / "sdk_target.py", "--config", config]], lines),
            "ours": Way([ours(folder, url)], lines),
        }


@contextmanager
def memory_ways(folder: Path, records: int) -> Iterator[dict[str, Way]]:
    """Prepare: many lines."""
    with prepared(folder, records) as (lines, url):
        yield {"ours": Way([ours(folder, url)], lines)}


@contextmanager
def ledger_ways(folder: Path, records: int) -> Iterator[dict[str, Way]]:
    """Prepare: the ledger alone."""
    yield {"ours": Way([[sys.executable, HELPERS / "ledger.py", folder, str(records)]], is_quoted=True)}


@contextmanager
def archive_ways(folder: Path, records: int) -> Iterator[dict[str, Way]]:
    """Prepare: tap-amplitude and target-split joined by a pipe, over records and over batch files."""
    with served(folder, 1) as (config, _), background([sys.executable, HELPERS / "sink.py"]) as url:
        # In place of the archive that is served.
        maker = [sys.executable, "-m", "benchmarks.target_split_ways.make_archive"]
        subprocess.run([*maker, folder / "archive.zip", str(records)], check=True)

        def pipeline(settings: Path) -> Way:
            tap = [BIN / "tap-amplitude", "--config", settings, "--catalog", folder / "catalog.json"]
            return Way([tap, ours(folder, url)])

        yield {"records": pipeline(config), "batches": pipeline(folder / "batch.json")}


def cases() -> list[Case]:
    """Return the cases of this connector."""
    return [
        Case(
            "target-split: lines to requests",
            RECORDS,
            floor_ways,
            [Bound("ours", other="floor", times=1.15), Bound("ours", megabytes=150)],
        ),
        Case(
            "target-split: rows of other shapes, to the usual ones",
            SHAPED_RECORDS,
            shape_ways,
            [Bound(name, other="ours", times=2.5) for name in ("all properties", "flattening", *SHAPES)],
        ),
        Case(
            "target-split: beside the SDK's defaults", SDK_RECORDS, sdk_ways, [Bound("ours", other="sdk", times=1 / 8)]
        ),
        Case("target-split: memory", MANY_RECORDS, memory_ways, [Bound("ours", megabytes=150)]),
        Case("target-split: ledger alone, at its millionth id and its five millionth", LEDGER_IDS, ledger_ways),
        Case(
            "archive of Amplitude to Split, over records and over batch files",
            RECORDS,
            archive_ways,
            [Bound("batches", other="records", times=1 / 1.5), Bound("records", megabytes=150)],
        ),
    ]
