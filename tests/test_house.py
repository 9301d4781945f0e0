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


def test_docs_and_manifests_name_the_version_of_the_changelog() -> None:
    version = re.search(r"^## (\d+\.\d+\.\d+)", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)[1]
    naming = [ROOT / "docs" / "deploy" / "kubernetes.md", *(ROOT / "orchestrate").rglob("*.yaml")]
    tags = re.findall(r"/split-amplitude:(\S+)", "\n".join(path.read_text(encoding="utf-8") for path in naming))
    assert set(tags) == {version}


def test_meltano_yml_readmes_and_hub_agree_with_about() -> None:
    check = subprocess.run(
        [sys.executable, "-m", "tools.about", "--check"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert check.returncode == 0, check.stderr


CONNECTORS = PACKAGES[:4]


def test_what_each_project_must_carry_itself_is_equal() -> None:
    """A build sees only its own project, so the licence and the build hook stand in each."""
    assert len({(ROOT / package / "LICENSE").read_bytes() for package in ("", *PACKAGES)}) == 1
    assert len({(ROOT / package / "hatch_build.py").read_bytes() for package in CONNECTORS}) == 1


@pytest.mark.parametrize("connector", CONNECTORS)
def test_no_connector_imports_another_or_the_sandbox(connector: str) -> None:
    name = connector.replace("-", "_")
    others = {package.replace("-", "_") for package in CONNECTORS} - {name} | {"split_amplitude_sandbox"}
    modules = list((ROOT / connector / name).rglob("*.py"))
    assert modules
    for module in modules:
        text = module.read_text(encoding="utf-8")
        assert not [other for other in others if re.search(rf"(import|from) {other}\b", text)], module


SILENCED = re.compile(r"# (?:noqa|type: ignore|fmt: (?:skip|off)|pragma: no cover)\b(?:: [A-Z0-9, ]+|\[[\w,-]+\])?(.*)")


def silenced_without_reason(line: str) -> bool:
    """Whether a line silences a check and does not say why."""
    found = SILENCED.search(line)
    while found and (other := SILENCED.search(found[1])):
        found = other  # the reason of several stands at the end
    return bool(found) and not found[1].strip(" #-()")


def test_what_silences_a_check_says_why() -> None:
    assert silenced_without_reason("x = 1  # noqa: E501")
    assert silenced_without_reason("x: A = b  # type: ignore[misc]  # noqa: RUF012")
    assert not silenced_without_reason("x: A = b  # type: ignore[misc]  # noqa: RUF012  # as the SDK declares it")
    names = subprocess.run(
        ["git", "ls-files", "*.py"], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout.split()
    texts = {name: (ROOT / name).read_text(encoding="utf-8").splitlines() for name in names if (ROOT / name).is_file()}
    assert sum("noqa" in line for lines in texts.values() for line in lines) > 50
    assert [
        f"{name}:{number}"
        for name, lines in texts.items()
        if name != "tests/test_house.py"
        for number, line in enumerate(lines, 1)
        if silenced_without_reason(line)
    ] == []
