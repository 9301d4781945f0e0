"""`--check` says what can be seen, and tells a wrong key from a wrong address; it changes nothing."""

from __future__ import annotations

from typing import Any

import pytest

from support.processes import Workplace
from support.sandbox import Sandbox

Config = dict[str, Any]
V4 = {"organization": "default", "project": "demo", "admin_api_key": "sat.demoAccount.test.token"}


@pytest.mark.parametrize("changes", [{}, V4], ids=["v2", "v4"])
def test_what_can_be_seen(config: Config, workplace: Workplace, sandbox: Sandbox, changes: Config):
    if changes:
        del config["workspace_id"]
    result = workplace.run("target-split", config | changes, "--check")
    assert result.code == 0, result.stderr
    assert "accepts the key in 'sdk_api_key'" in result.stdout
    assert "Production (id env-prod)" in result.stdout
    assert "Traffic types: account, anonymous, user." in result.stdout
    assert "Environment Production has 0 segments." in result.stdout
    assert f"Ledger: {config['ledger_path']} will be created." in result.stdout
    assert sandbox.split_events() == []
    assert [r for r in sandbox.requests() if r["method"] != "GET" and r["items"]] == []
    assert not (workplace.folder / "ledger.sqlite").exists()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"sdk_api_key": "wrong-key"}, "'sdk_api_key'"),
        ({"admin_api_key": "wrong-key"}, "'admin_api_key'"),
        ({"workspace_id": "Demonstration"}, "no workspace 'Demonstration'"),
        ({"environment": "Prod"}, "no environment 'Prod'"),
        ({"traffic_type": "usr"}, "no traffic type 'usr'"),
        ({"sdk_api_key": None, "admin_api_key": None}, "Nothing can be checked"),
    ],
)
def test_what_is_wrong_is_said_apart(config: Config, workplace: Workplace, changes: Config, said: str):
    result = workplace.run("target-split", {k: v for k, v in (config | changes).items() if v is not None}, "--check")
    assert result.code == 1
    assert said in result.stderr
    assert "Traceback" not in result.stderr
    assert "wrong-key" not in result.stderr + result.stdout
