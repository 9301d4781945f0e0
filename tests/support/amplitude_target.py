"""Runs target-amplitude inside the test's process: the whole target, over real HTTP, without a process to start."""

from __future__ import annotations

import contextlib
import signal
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from support.processes import Workplace
from support.sandbox import Sandbox


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


@contextlib.contextmanager
def signals_kept() -> Iterator[None]:
    """A target takes over the signals of its process; give them back to the test's."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def load(
    config: Mapping[str, Any], messages: Iterable[Mapping[str, Any] | str], *, folder: Path | None = None
) -> Loaded:
    """Give messages (objects, or raw lines) to a target that works in a folder; by default a temporary one."""
    with tempfile.TemporaryDirectory() as temporary:
        place = Workplace(folder or Path(temporary))
        result = place.run("target-amplitude", config, messages=messages, inside=True)
    lines = [line.removeprefix("| ").split(" | ", 2) for line in result.stderr.splitlines() if line.startswith("| ")]
    said = [(level.strip(), text) for level, _, text in lines]
    loaded = Loaded(states=result.messages)
    loaded.error = "" if result.code == 0 else [text for level, text in said if level == "ERROR"][-1]
    loaded.warnings = [text for level, text in said if level == "WARNING"]
    for point in filter(lambda point: point["value"], result.points("counter")):
        loaded.counts[point["metric"]] += point["value"]
        loaded.reasons[point["metric"], point["tags"].get("reason", "")] += point["value"]
    return loaded
