"""Fixtures of the pipeline tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.meltano import Meltano
from support.sandbox import Sandbox


@pytest.fixture(scope="module")
def past_sandbox() -> Iterator[Sandbox]:
    """A sandbox in which what arrives counts as uploaded six hours ago, so that it can be exported at once."""
    sandbox = Sandbox("--upload-time-offset=-21600")
    yield sandbox
    sandbox.stop()


@pytest.fixture
def services(past_sandbox: Sandbox) -> Sandbox:
    """That sandbox, emptied."""
    past_sandbox.reset()
    return past_sandbox


@pytest.fixture
def meltano(tmp_path: Path, services: Sandbox) -> Meltano:
    """This repository's Meltano project against that sandbox, with state of its own."""
    return Meltano(tmp_path, services.url)
