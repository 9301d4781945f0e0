"""What the tests of target-split share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from support.processes import Result, Workplace
from support.sandbox import Sandbox


@pytest.fixture
def config(sandbox: Sandbox, tmp_path: Path) -> dict[str, Any]:
    """Settings for both events and segments, with a ledger."""
    return {
        "sdk_api_key": "test-sdk-key",
        "admin_api_key": "test-admin-key",
        "workspace_id": "ws-demo",
        "environment": "Production",
        "events_url": sandbox.url,
        "admin_url": sandbox.url,
        "ledger_path": str(tmp_path / "ledger.sqlite"),
        "rejects_path": str(tmp_path / "rejects.jsonl"),
        "retry_timeout_seconds": 20,
    }


@pytest.fixture
def run_here(workplace: Workplace) -> Callable[..., Result]:
    """Runs the target in this process, over real HTTP: quicker than a process of its own."""

    def run(config: dict[str, Any], messages: list[dict[str, Any]]) -> Result:
        return workplace.run("target-split", config, messages=messages, inside=True)

    return run
