"""Fixtures of all tests, and the closing line that says how many tests of which kind ran."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from support.processes import Workplace
from support.sandbox import Sandbox

# A busy machine is no reason to fail. In CI the same examples run each time; elsewhere each run tries others.
settings.register_profile("busy machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("CI", settings.get_profile("busy machine"), derandomize=True, database=None)
settings.load_profile("CI" if os.environ.get("CI") else "busy machine")


@pytest.fixture(scope="session")
def shared_sandbox() -> Iterator[Sandbox]:
    """One sandbox for a whole worker; use `sandbox`, which empties it first."""
    sandbox = Sandbox()
    yield sandbox
    sandbox.stop()


@pytest.fixture
def sandbox(shared_sandbox: Sandbox) -> Sandbox:
    """A running, empty sandbox with its seeded Split workspace."""
    shared_sandbox.reset()
    return shared_sandbox


@pytest.fixture
def workplace(tmp_path: Path) -> Workplace:
    """Runs connectors as real processes in a temporary folder."""
    return Workplace(tmp_path)


def kind_of(item: pytest.Item) -> str:
    """The kind of a test follows from what it uses, unless it says it itself."""
    said = item.get_closest_marker("kind")
    if said is not None:
        return str(said.args[0])
    fixtures = set(getattr(item, "fixturenames", ()))
    if "pipelines" in item.path.parts:
        return "pipeline"
    if "faults" in item.path.parts:
        return "fault"
    if "workplace" in fixtures:
        return "process"
    if fixtures & {"sandbox", "shared_sandbox"} or "sandbox" in item.path.parts:
        return "HTTP"
    if getattr(getattr(item, "obj", None), "is_hypothesis_test", False):
        return "property"
    return "unit"


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        item.user_properties.append(("kind", kind_of(item)))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    passed = terminalreporter.stats.get("passed", [])
    kinds = Counter(dict(report.user_properties).get("kind", "?") for report in passed)
    terminalreporter.write_line(
        "passed by kind: " + ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items()))
    )
