"""Runs tap-amplitude in this process, over real HTTP: as a process would, without its second of start."""

from __future__ import annotations

import io
import json
import logging
import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from support.processes import Result
from tap_amplitude.api.client import Client
from tap_amplitude.cohorts import lists
from tap_amplitude.common.cli import ConnectorError
from tap_amplitude.tap import TapAmplitude

KEYS = {"api_key": "test-api-key", "secret_key": "test-secret-key"}


@dataclass
class TapRun(Result):
    """How a run ended, and the sentence of its failure."""

    error: str = ""


@pytest.fixture
def keys() -> dict[str, str]:
    return dict(KEYS)


@pytest.fixture
def run_tap(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> Iterator[Callable[..., TapRun]]:
    """Run the tap to its end with settings beside the keys; retries begin with a thousandth of the usual wait."""
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    monkeypatch.setattr(Client, "first_wait_seconds", 0.001)
    monkeypatch.setattr(lists, "FIRST_POLL_SECONDS", 0.001)

    def run(streams: str = "events", state: Mapping[str, Any] | None = None, **config: Any) -> TapRun:
        defaults = {"start_date": "2026-03-14", "spool_directory": str(tmp_path / "spool"), "retry_timeout_seconds": 1}
        config = KEYS | defaults | config
        output = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
        caplog.clear()
        caplog.set_level(logging.INFO)
        code, error = 0, ""
        try:
            catalog = TapAmplitude(config=config).catalog_dict
            select(catalog, streams.split())
            with redirect_stdout(output):
                TapAmplitude(config=config, state=json.loads(json.dumps(state or {})), catalog=catalog).sync_all()
        except ConnectorError as problem:
            code, error = 1, str(problem)
        output.seek(0)
        return TapRun(code, output.read(), caplog.text, error)

    yield run
    for number, handler in handlers.items():
        signal.signal(number, handler)


def select(catalog: dict[str, Any], streams: list[str]) -> None:
    for stream in catalog["streams"]:
        for entry in stream["metadata"]:
            if not entry["breadcrumb"]:
                entry["metadata"]["selected"] = stream["stream"] in streams
