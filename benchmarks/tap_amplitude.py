"""tap-amplitude: from a download of an archive to Singer lines, or to batch files."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path

from benchmarks.data import START
from benchmarks.harness import BIN, Bound, Case, Way, background, spread
from benchmarks.tap_amplitude_ways.shapes import SHAPES
from tap_amplitude.tap import TapAmplitude

HELPERS = Path(__file__).parent / "tap_amplitude_ways"
RECORDS, MANY_RECORDS = 200_000, 1_000_000
PROMISED_RATE = 2_500  # single requests a second that the receiver stores, over four connections
PROMISED_WAIT = 5  # milliseconds within which 99 of 100 have their answer


@contextmanager
def served(folder: Path, records: int, shape: str = "usual") -> Iterator[tuple[Path, str]]:
    """Serve an archive of rows of a shape; yield the settings file of a tap and the archive's address."""
    folder.mkdir(exist_ok=True)
    archive = folder / "archive.zip"
    command = [sys.executable, "-m", "benchmarks.tap_amplitude_ways.make_archive", archive, str(records), shape]
    subprocess.run(command, check=True)
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
        batches = {"encoding": {"format": "jsonl", "compression": "gzip"}, "storage": {"root": f"{folder}/batches"}}
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


def shape_ways(shape: str, folder: Path, records: int) -> AbstractContextManager[dict[str, Way]]:
    """Prepare: rows of one shape, beside the floor on the same bytes and beside the usual rows."""

    @contextmanager
    def prepared() -> Iterator[dict[str, Way]]:
        with served(folder / "shape", records, shape) as (config, url), served(folder / "usual", records) as (usual, _):
            floor = Way([[sys.executable, HELPERS / "floor.py", url, folder / "floor.zip"]])
            yield {"floor": floor, "base": tap(usual), "ours": tap(config)}

    return prepared()


def shape_case(shape: str) -> Case:
    """Return the case of one shape of rows."""
    bound = Bound("ours", other="base", times=1.3) if shape == "all rows odd" else Bound("ours", "floor", 1.1)
    return Case(f"tap-amplitude: {shape}", RECORDS, partial(shape_ways, shape), [bound])


@contextmanager
def batch_ways(folder: Path, records: int) -> Iterator[dict[str, Way]]:
    """Prepare: an archive to batch files, or to records."""
    with served(folder, records) as (config, _):
        yield {"records": tap(config), "batches": tap(folder / "batch.json")}


@contextmanager
def received_ways(folder: Path, records: int) -> Iterator[dict[str, Way]]:
    """Prepare: an archive by way of records, or of batch files, to a target of the SDK."""
    target = [sys.executable, HELPERS / "sdk_target.py"]
    with served(folder, records) as (config, _):
        yield {
            "records": Way([*tap(config).commands, target]),
            "batches": Way([*tap(folder / "batch.json").commands, target]),
        }


@contextmanager
def files_ways(folder: Path, records: int) -> Iterator[dict[str, Way]]:
    """Prepare: the same exported files through the Export API, and in a folder."""
    with served(folder, records) as (config, _):
        with zipfile.ZipFile(folder / "archive.zip") as archive:
            archive.extractall(folder / "exported")
        settings = {"path": str(folder / "exported"), "spool_directory": str(folder / "spool")}
        (folder / "files.json").write_text(json.dumps(settings))
        yield {"api": tap(config), "files": tap(folder / "files.json")}


@contextmanager
def receiver_ways(kind: str, folder: Path, records: int) -> Iterator[dict[str, Way]]:
    """Prepare: single posts to the receiver, against the time they may take."""
    figures = folder / "waits"
    command: list[str | Path] = [BIN / "tap-amplitude-webhook", "--path", folder / "pushed", "--port", "0"]
    with background(command) as listening:
        url = listening.split()[2].rstrip(",")
        pace = [sys.executable, "-c", f"import time; time.sleep({records / PROMISED_RATE})"]
        post = [sys.executable, "-m", "benchmarks.tap_amplitude_ways.post", url, str(records), figures, kind]
        yield {"pace": Way([pace]), "ours": Way([post])}
    waits = [float(line) for line in figures.read_text().split()]
    kept = "kept" if sorted(waits)[len(waits) // 2] < PROMISED_WAIT else "MISSED"
    print(f"* receiver: 99 of 100 answered in {spread(waits)} ms, promised {PROMISED_WAIT}: {kept}\n")


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
            [Bound("ours", other="floor", times=1.1), Bound("ours", megabytes=60)],
        ),
        *(shape_case(shape) for shape in SHAPES if shape != "usual"),
        Case(
            "tap-amplitude: archive to batch files",
            MANY_RECORDS,
            batch_ways,
            [Bound("batches", megabytes=60)],
        ),
        Case(
            "tap-amplitude: archive to an SDK target",
            RECORDS // 10,
            received_ways,
            [Bound("batches", other="records", times=0.5)],
        ),
        Case(
            "tap-amplitude: exported files to records",
            RECORDS,
            files_ways,
            [Bound("files", other="api", times=1.0), Bound("files", megabytes=60)],
        ),
        *(
            Case(
                f"tap-amplitude: receiver, single {kind}",
                20_000,
                partial(receiver_ways, kind),
                [Bound("ours", other="pace", times=1.0)],
            )
            for kind in ("events", "messages")
        ),
        Case("tap-amplitude: memory", MANY_RECORDS, memory_ways, [Bound("ours", megabytes=60)]),
    ]
