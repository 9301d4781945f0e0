"""What the tests of target-split share."""

from __future__ import annotations

from typing import Any

import pytest

from support.processes import Workplace
from support.sandbox import Sandbox


@pytest.fixture
def config(sandbox: Sandbox, workplace: Workplace) -> dict[str, Any]:
    """Settings for both events and segments, with a ledger."""
    return {
        "sdk_api_key": "test-sdk-key",
        "admin_api_key": "test-admin-key",
        "workspace_id": "ws-demo",
        "environment": "Production",
        "events_url": sandbox.url,
        "admin_url": sandbox.url,
        "ledger_path": str(workplace.folder / "ledger.sqlite"),
        "rejects_path": str(workplace.folder / "rejects.jsonl"),
        "patience_seconds": 20,
    }
