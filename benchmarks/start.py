"""What a connector needs before it does anything."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.harness import BIN, Bound, Case, Way

CONNECTORS = ("tap-split-impressions", "tap-amplitude", "target-amplitude", "target-split")


@contextmanager
def start_ways(_folder: Path, _records: int) -> Iterator[dict[str, Way]]:
    """Prepare: each connector, beside the imports that any connector of the SDK needs."""
    yield {"sdk": Way([[sys.executable, "-c", "import singer_sdk, requests"]])} | {
        name: Way([[BIN / name, "--version"]]) for name in CONNECTORS
    }


def cases() -> list[Case]:
    """Return the cases."""
    return [Case("start of a connector", 1, start_ways, [Bound(name, other="sdk", times=1.0) for name in CONNECTORS])]
