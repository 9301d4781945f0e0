"""The repository agrees with itself: versions, settings, names."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.kind("process")

ROOT = Path(__file__).parent.parent
PACKAGES = ("tap-split-impressions", "tap-amplitude", "target-amplitude", "target-split", "sandbox")


def test_all_packages_carry_one_version_and_the_changelog_names_it() -> None:
    texts = [(ROOT / package / "pyproject.toml").read_text(encoding="utf-8") for package in PACKAGES]
    versions = {re.search(r'^version = "(.+)"', text, re.MULTILINE).group(1) for text in texts}
    assert len(versions) == 1
    assert f"## {versions.pop()}" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def test_meltano_yml_and_readmes_agree_with_about() -> None:
    check = subprocess.run(
        [sys.executable, "-m", "tools.settings", "--check"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert check.returncode == 0, check.stderr
