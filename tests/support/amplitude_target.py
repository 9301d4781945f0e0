"""Runs target-amplitude inside the test's process: the whole target, over real HTTP, without a process to start."""

from __future__ import annotations

import contextlib
import io
import json
import logging
import signal
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from support.sandbox import Sandbox
from target_amplitude.common.errors import ConnectorError
from target_amplitude.target import TargetAmplitude


@pytest.fixture
def config(sandbox: Sandbox, tmp_path: Path) -> dict[str, Any]:
    """Settings of target-amplitude that reach the sandbox."""
    return {
        "api_key": "test-api-key",
        "api_url": sandbox.url,
        "rejects_path": str(tmp_path / "rejects.jsonl"),
        "retry_timeout_seconds": 20,
    }


@dataclass
class Loaded:
    """How a run ended."""

    error: str = ""
    states: list[dict[str, Any]] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    reasons: Counter[tuple[str, str]] = field(default_factory=Counter)
    warnings: list[str] = field(default_factory=list)

    @property
    def state(self) -> dict[str, Any] | None:
        return self.states[-1] if self.states else None


class Warnings(logging.Handler):
    """Keeps what is logged as a warning or worse."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


@contextlib.contextmanager
def signals_kept() -> Iterator[None]:
    """A target takes over the signals of its process; give them back to the test's."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def load(config: Mapping[str, Any], messages: Iterable[Mapping[str, Any] | str]) -> Loaded:
    """Give messages (objects, or raw lines) to a target."""
    loaded, warnings, written = Loaded(), Warnings(), io.StringIO()
    logging.getLogger("target-amplitude").addHandler(warnings)
    try:
        with signals_kept(), tempfile.TemporaryFile("w+") as lines, contextlib.redirect_stdout(written):
            lines.writelines(f"{m if isinstance(m, str) else json.dumps(m)}\n" for m in messages)
            lines.seek(0)
            target = TargetAmplitude(config=dict(config))
            try:
                target.listen(lines)
            except ConnectorError as error:
                loaded.error = str(error)
                target.stopping.set()
                target.give_up()
    finally:
        logging.getLogger("target-amplitude").removeHandler(warnings)
    loaded.states = [json.loads(line) for line in written.getvalue().splitlines()]
    for (metric, reason), count in target.summary.counts().items():
        loaded.counts[metric] += count
        loaded.reasons[metric, reason] += count
    loaded.warnings = warnings.lines
    return loaded
