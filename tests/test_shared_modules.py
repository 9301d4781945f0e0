"""The connectors share no library (pip cannot resolve an unpublished sibling); what they share are equal files."""

from __future__ import annotations

from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
CONNECTORS = {
    "tap-amplitude": "tap_amplitude",
    "tap-split-impressions": "tap_split_impressions",
    "target-amplitude": "target_amplitude",
    "target-split": "target_split",
}
TARGETS = ("target-amplitude", "target-split")
SHARED_BY_TARGETS = (
    "delivery.py",
    "paths.py",
    "reader.py",
    "rejects.py",
    "streaming.py",
    "summary.py",
    "times.py",
    "validation.py",
)
SHARED_BY_ALL = ("command.py", "errors.py", "hosts.py")
SHARED = dict.fromkeys(SHARED_BY_ALL, tuple(CONNECTORS)) | dict.fromkeys(SHARED_BY_TARGETS, TARGETS)


@pytest.mark.parametrize("name", SHARED)
def test_copies_are_equal(name: str) -> None:
    texts = {(ROOT / plugin / CONNECTORS[plugin] / name).read_text(encoding="utf-8") for plugin in SHARED[name]}
    assert len(texts) == 1


def test_each_package_carries_the_licence() -> None:
    copies = [(ROOT / package / "LICENSE").read_bytes() for package in ("", *CONNECTORS, "sandbox")]
    assert len(set(copies)) == 1


@pytest.mark.parametrize("plugin", CONNECTORS)
def test_no_connector_imports_another_or_the_sandbox(plugin: str) -> None:
    others = {*CONNECTORS.values(), "split_amplitude_sandbox"} - {CONNECTORS[plugin]}
    for module in (ROOT / plugin).rglob("*.py"):
        text = module.read_text(encoding="utf-8")
        for other in others:
            assert f"import {other}" not in text
            assert f"from {other}" not in text
