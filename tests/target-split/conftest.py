"""What the tests of target-split share."""

from __future__ import annotations

import io
import json
import logging
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from support.processes import Result
from support.sandbox import Sandbox
from target_split.common.errors import ConnectorError
from target_split.target import TargetSplit


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
def run_here(capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture) -> Iterator[Callable[..., Result]]:
    """Runs the target in this process, over real HTTP: quicker than a process of its own."""
    caplog.set_level(logging.INFO)
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def run(config: dict[str, Any], messages: list[dict[str, Any]]) -> Result:
        caplog.clear()
        lines = "".join(json.dumps(message) + "\n" for message in messages)
        target = TargetSplit(config=config)
        code = 0
        try:
            target.listen(io.StringIO(lines))
        except ConnectorError as error:
            target.give_up()
            code = 1
            target.logger.error("%s", error)  # noqa: TRY400
        target.summary.close(failed=bool(code))
        return Result(code, capsys.readouterr().out, caplog.text)

    yield run
    for number, handler in handlers.items():
        signal.signal(number, handler)
