"""tap-amplitude: from a download of an archive to Singer lines, or to batch files."""

from __future__ import annotations

import gzip
import json
import sys
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from benchmarks.data import START, export_rows
from benchmarks.harness import BIN, Bound, Case, Way, background
from tap_amplitude.tap import TapAmplitude

HELPERS = Path(__file__).parent / "tap_amplitude_ways"
DISTINCT_ROWS = 5_000
HOURS = 24
RECORDS, MANY_RECORDS = 100_000, 1_000_000


def write_archive(path: Path, records: int) -> None:
    """Write an archive of a day; beyond some rows the same ones come again under other names."""
    encode = msgspec.json.Encoder().encode
    rows = [encode(row) + b"\n" for row in export_rows(min(records, DISTINCT_ROWS))]
    per_entry = max(1, records // HOURS)
    with zipfile.ZipFile(path, "w") as archive:
        for entry in range(-(-records // per_entry)):
            first = entry * per_entry
            lines = (rows[number % len(rows)] for number in range(first, min(first + per_entry, records)))
            name = f"100042/100042_{START:%Y-%m-%d}_{entry % HOURS}#{entry}.json.gz"
            archive.writestr(name, gzip.compress(b"".join(lines), 6))


@contextmanager
def served(folder: Path, records: int) -> Iterator[tuple[Path, str]]:
    """Serve an archive; yield the settings file of a tap and the archive's address."""
    archive = folder / "archive.zip"
    write_archive(archive, records)
    with background([sys.executable, HELPERS / "serve.py", archive]) as url:
        settings = {
            "api_url": url,
            "api_key": "bench-api-key",
            "secret_key": "bench-secret-key",
            "start_date": f"{START:%Y-%m-%d}",
            "end_date": f"{START:%Y-%m-}{START.day + 1}",
            "spool_directory": str(folder / "spool"),
        }
        config = folder / "config.json"
        config.write_text(json.dumps(settings))
        batches = {"encoding": {"format": "jsonl", "compression": "none"}, "storage": {"root": f"{folder}/batches"}}
        (folder / "batch.json").write_text(json.dumps(settings | {"batch_config": batches}))
        catalog = folder / "catalog.json"
        catalog.write_text(json.dumps(events_catalog()))
        yield config, url


def events_catalog() -> dict[str, object]:
    """Return a catalog in which `events` alone is selected."""
    tap = TapAmplitude(config={"api_key": "bench", "secret_key": "bench"})
    catalog = tap.catalog_dict
    for stream in catalog["streams"]:
        for entry in stream["metadata"]:
            if not entry["breadcrumb"]:
                entry["metadata"]["selected"] = stream["stream"] == "events"
    return dict(catalog)


def tap(config: Path) -> Way:
    """Return the way of tap-amplitude with these settings."""
    return Way([[BIN / "tap-amplitude", "--config", config, "--catalog", config.parent / "catalog.json"]])


@contextmanager
def records_ways(folder: Path, records: int) -> Iterator[dict[str, Way]]:
    """Prepare: an archive to RECORD messages."""
    with served(folder, records) as (config, url):
        yield {
            "floor": Way([[sys.executable, HELPERS / "floor.py", url, folder / "floor.zip"]]),
            "sdk": Way([[sys.executable, HELPERS / "sdk_tap.py", "--config", config]]),
            "ours": tap(config),
        }


@contextmanager
def batch_ways(folder: Path, records: int) -> Iterator[dict[str, Way]]:
    """Prepare: an archive to batch files, or to records."""
    with served(folder, records) as (config, _):
        yield {"records": tap(config), "batches": tap(folder / "batch.json")}


@contextmanager
def memory_ways(folder: Path, records: int) -> Iterator[dict[str, Way]]:
    """Prepare: a large archive, for the memory it takes."""
    with served(folder, records) as (config, _):
        yield {"ours": tap(config)}


def cases() -> list[Case]:
    """Return the cases of this connector."""
    return [
        Case(
            "tap-amplitude: archive to records",
            RECORDS,
            records_ways,
            [Bound("ours", other="floor", times=1.5), Bound("ours", megabytes=120)],
        ),
        Case(
            "tap-amplitude: archive to batch files",
            RECORDS,
            batch_ways,
            [Bound("batches", other="records", times=0.5), Bound("batches", megabytes=120)],
        ),
        Case("tap-amplitude: memory", MANY_RECORDS, memory_ways, [Bound("ours", megabytes=120)]),
    ]
