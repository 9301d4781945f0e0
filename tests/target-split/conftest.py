"""What the tests of target-split share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from support.amplitude import members_messages
from support.ledger import OPENED
from support.processes import Result, Workplace
from support.sandbox import Sandbox
from support.segments import APIS, Api


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


@pytest.fixture(params=["v2", "v4"])
def api(request: pytest.FixtureRequest) -> Api:
    return APIS[request.param]


@pytest.fixture
def run(config: dict[str, Any], api: Api, run_here: Callable[..., Result]) -> Callable[..., Result]:
    """Runs the target with messages, or with the rows of cohorts."""
    del config["workspace_id"]
    config |= api.settings

    def run_target(messages: list[dict[str, Any]], **changes: Any) -> Result:
        if messages and "type" not in messages[0]:
            messages = members_messages(messages)
        return run_here(config | changes, messages)

    return run_target


@pytest.fixture
def path(tmp_path: Path) -> Iterator[str]:
    """Where ledgers are kept that tests open; all are closed afterwards."""
    yield str(tmp_path / "ledger.sqlite")
    while OPENED:
        OPENED.pop().close()
