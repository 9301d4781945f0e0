"""Runs tap-amplitude inside the tests' process, over real HTTP: as a process would, without its second of start."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from support.processes import Result, Workplace
from tap_amplitude.api.client import Client
from tap_amplitude.cohorts import lists
from tap_amplitude.tap import TapAmplitude

KEYS = {"api_key": "test-api-key", "secret_key": "test-secret-key"}
ERROR = re.compile(r"^\| ERROR +\| \S+ \| (.*)$", re.MULTILINE)


@dataclass
class TapRun(Result):
    """How a run ended."""

    @property
    def error(self) -> str:
        """What a failed run says."""
        return "\n".join(ERROR.findall(self.stderr)) if self.code else ""


@pytest.fixture
def keys() -> dict[str, str]:
    return dict(KEYS)


@pytest.fixture
def run_tap(workplace: Workplace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., TapRun]:
    """Run the tap to its end with settings beside the keys; retries begin with a thousandth of the usual wait."""
    monkeypatch.setattr(Client, "first_wait_seconds", 0.001)
    monkeypatch.setattr(lists, "FIRST_POLL_SECONDS", 0.001)

    def run(streams: str = "events", state: Mapping[str, Any] | None = None, **config: Any) -> TapRun:
        defaults = {"start_date": "2026-03-14", "spool_directory": str(tmp_path / "spool"), "retry_timeout_seconds": 1}
        config = KEYS | defaults | config
        catalog = TapAmplitude(config=config).catalog_dict
        select(catalog, streams.split())
        result = workplace.run("tap-amplitude", config, state=state, catalog=catalog, inside=True)
        return TapRun(result.code, result.stdout, result.stderr)

    return run


def select(catalog: dict[str, Any], streams: list[str]) -> None:
    for stream in catalog["streams"]:
        for entry in stream["metadata"]:
            if not entry["breadcrumb"]:
                entry["metadata"]["selected"] = stream["stream"] in streams
