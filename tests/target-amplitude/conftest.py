from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from support.sandbox import Sandbox


@pytest.fixture
def config(sandbox: Sandbox, tmp_path: Path) -> dict[str, Any]:
    """Settings that reach the sandbox."""
    return {
        "api_key": "test-api-key",
        "api_url": sandbox.url,
        "rejects_path": str(tmp_path / "rejects.jsonl"),
        "patience_seconds": 20,
    }
