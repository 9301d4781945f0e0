"""`meltano run`: without any record, and from an archive of Amplitude to Split, over records and over batch files.

Needs `make install`.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from benchmarks.data import START
from benchmarks.harness import BIN, Bound, Case, Way, background
from benchmarks.tap_amplitude import served

ROOT = Path(__file__).parents[1]
SINK = ROOT / "benchmarks" / "target_split_ways" / "sink.py"
RECORDS = 500_000


def meltano(folder: Path, arguments: str, **environment: str) -> Way:
    """Return a way to run Meltano, each time with a new ledger and with what its database needs done already."""
    basics = {
        "MELTANO_PROJECT_ROOT": str(ROOT),
        "MELTANO_ENVIRONMENT": "prod",
        "MELTANO_DATABASE_URI": f"sqlite:///{folder}/meltano.db",
    }
    command = f"rm -f '{folder}'/ledger*; exec '{BIN / 'meltano'}' {arguments}"
    return Way([["sh", "-c", command]], environment=basics | environment)


@contextmanager
def empty_ways(folder: Path, _records: int) -> Iterator[dict[str, Way]]:
    """Prepare: a pipeline that finds an empty folder, beside Meltano's own start."""
    (folder / "impressions").mkdir()
    settings = {
        "TAP_SPLIT_IMPRESSIONS_PATH": str(folder / "impressions"),
        "TARGET_AMPLITUDE_API_KEY": "bench",
        "TARGET_AMPLITUDE_API_URL": "http://127.0.0.1:9",
        "TARGET_AMPLITUDE_REJECTS_PATH": str(folder / "rejects.jsonl"),
    }
    yield {
        "meltano": meltano(folder, "--version"),
        "run": meltano(folder, "run tap-split-impressions target-amplitude", **settings),
    }


@contextmanager
def batch_ways(folder: Path, records: int) -> Iterator[dict[str, Way]]:
    """Prepare: the same archive over records, which Meltano passes on line by line, and over batch files."""
    with served(folder, 1) as (config, url), background([sys.executable, SINK]) as sink:
        make = [sys.executable, "-m", "benchmarks.target_split_ways.make_archive", folder / "archive.zip", str(records)]
        subprocess.run(make, check=True)
        settings = {
            "TAP_AMPLITUDE_API_URL": url,
            "TAP_AMPLITUDE_API_KEY": "bench",
            "TAP_AMPLITUDE_SECRET_KEY": "bench",
            "TAP_AMPLITUDE_START_DATE": f"{START:%Y-%m-%d}",
            "TAP_AMPLITUDE_END_DATE": f"{START:%Y-%m-}{START.day + 1}",
            "TARGET_SPLIT_EVENTS_URL": sink,
            "TARGET_SPLIT_SDK_API_KEY": "bench-sdk-key",
            "TARGET_SPLIT_LEDGER_PATH": str(folder / "ledger.sqlite"),
            "TARGET_SPLIT_REJECTS_PATH": str(folder / "rejects.jsonl"),
        }
        batches = {"TAP_AMPLITUDE_BATCH_CONFIG": batch_config(config.with_name("batch.json"))}
        run = "run --full-refresh tap-amplitude target-split"
        yield {"records": meltano(folder, run, **settings), "batches": meltano(folder, run, **settings, **batches)}


def batch_config(settings: Path) -> str:
    """Return the batch files' part of a tap's settings."""
    given: Mapping[str, object] = json.loads(settings.read_text())
    return json.dumps(given["batch_config"])


def cases() -> list[Case]:
    """Return the cases."""
    return [
        Case("meltano run without records", 1, empty_ways, [Bound("run", other="meltano", times=3.0)]),
        Case("meltano run of an archive", RECORDS, batch_ways, [Bound("batches", other="records", times=1 / 2.3)]),
    ]
