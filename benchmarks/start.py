"""What a run costs that has nothing to do: the start of a connector, and `meltano run` on an empty folder."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.harness import BIN, Bound, Case, Way

ROOT = Path(__file__).parents[1]
CONNECTORS = ("tap-split-impressions", "tap-amplitude", "target-amplitude", "target-split")


@contextmanager
def start_ways(_folder: Path, _records: int) -> Iterator[dict[str, Way]]:
    """Prepare: each connector, beside the imports that any connector of the SDK needs."""
    yield {"sdk": Way([[sys.executable, "-c", "import singer_sdk, requests"]])} | {
        name: Way([[BIN / name, "--version"]]) for name in CONNECTORS
    }


@contextmanager
def meltano_ways(folder: Path, _records: int) -> Iterator[dict[str, Way]]:
    """Prepare: a pipeline without any record, beside Meltano's own start. Needs `make install`."""
    (folder / "impressions").mkdir()
    environment = {
        "MELTANO_PROJECT_ROOT": str(ROOT),
        "MELTANO_ENVIRONMENT": "prod",
        "MELTANO_DATABASE_URI": f"sqlite:///{folder}/meltano.db",
        "TAP_SPLIT_IMPRESSIONS_PATH": str(folder / "impressions"),
        "TARGET_AMPLITUDE_API_KEY": "bench",
        "TARGET_AMPLITUDE_API_URL": "http://127.0.0.1:9",
        "TARGET_AMPLITUDE_REJECTS_PATH": str(folder / "rejects.jsonl"),
    }
    meltano = BIN / "meltano"
    yield {
        "meltano": Way([[meltano, "--version"]], environment=environment),
        "run": Way([[meltano, "run", "tap-split-impressions", "target-amplitude"]], environment=environment),
    }


def cases() -> list[Case]:
    """Return the cases."""
    return [
        Case("start of a connector", 1, start_ways, [Bound(name, other="sdk", times=1.0) for name in CONNECTORS]),
        Case("meltano run without records", 1, meltano_ways, [Bound("run", other="meltano", times=3.0)]),
    ]
