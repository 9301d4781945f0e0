"""docs/harness.md: its commands run for the legacy page (tests/pipelines), and its variables are settings."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from ruamel.yaml import YAML

pytestmark = pytest.mark.kind("process")

ROOT = Path(__file__).parents[2]
HARNESS, LEGACY = ((ROOT / "docs" / name).read_text(encoding="utf-8") for name in ("harness.md", "accounts.md"))
COMMAND = re.compile(r"^ *((?:[A-Z_]+=\S+ )*meltano .+)$", re.MULTILINE)


def test_its_commands_are_those_that_run_for_the_legacy_page() -> None:
    commands = COMMAND.findall(HARNESS)
    assert len(commands) > 4
    assert set(commands) <= set(COMMAND.findall(LEGACY))


def test_its_variables_are_settings() -> None:
    project = YAML(typ="safe").load(ROOT / "meltano.yml")
    settings = {
        f"{plugin['name']}_{setting['name']}".replace("-", "_").upper()
        for plugins in project["plugins"].values()
        for plugin in plugins
        for setting in plugin.get("settings", [])
    }
    named = re.findall(r"^ *((?:TAP|TARGET)_[A-Z_]+)=", HARNESS, re.MULTILINE)
    assert len(named) > 8
    assert set(named) <= settings
