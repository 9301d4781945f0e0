"""Files that a connector keeps are regular, ours, and private, or are not used."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from support.amplitude import event, events_messages
from support.impressions import impression, messages
from support.processes import Result, Workplace
from support.sandbox import Sandbox

FILES = [("target-amplitude", "rejects_path"), ("target-split", "rejects_path"), ("target-split", "ledger_path")]


@pytest.fixture
def run_with(workplace: Workplace, sandbox: Sandbox) -> Callable[[str, str, Path], Result]:
    """Run a target with one record that is rejected and one that is delivered."""

    def run(plugin: str, setting: str, path: Path) -> Result:
        if plugin == "target-amplitude":
            config: dict[str, Any] = {"api_key": "test-api-key", "api_url": sandbox.url}
            lines = list(messages([impression(1), impression(2, time="no time")]))
        else:
            config = {"sdk_api_key": "test-sdk-key", "events_url": sandbox.url}
            lines = list(events_messages([event(1), event(2, event_time="no time")]))
        return workplace.run(plugin, config | {setting: str(path)}, messages=lines, inside=True)

    return run


def assert_refused(result: Result, setting: str, sandbox: Sandbox) -> None:
    assert result.code == 1
    (error,) = (line for line in result.stderr.splitlines() if "| ERROR" in line)
    assert f"'{setting}'" in error
    assert [one for one in sandbox.requests() if one["method"] == "POST"] == []


@pytest.mark.parametrize(("plugin", "setting"), FILES)
@pytest.mark.parametrize("kind", ["link", "dangling link", "folder", "pipe", "somebody else's"])
def test_what_is_not_a_file_of_ours_is_refused_before_anything_is_sent(
    plugin: str, setting: str, kind: str, run_with: Callable[..., Result], tmp_path: Path, sandbox: Sandbox
):
    path, other = tmp_path / "kept", tmp_path / "other"
    if kind == "link":
        other.write_text("", encoding="utf-8")
    if "link" in kind:
        path.symlink_to(other)
    elif kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    else:
        path.write_bytes(b"")
        if os.geteuid() != 0:
            pytest.skip("only root can give a file away")
        os.chown(path, 12345, 12345)
    assert_refused(run_with(plugin, setting, path), setting, sandbox)
    assert kind == "link" or not other.exists()
    assert not other.exists() or other.read_text(encoding="utf-8") == ""


@pytest.mark.parametrize(("plugin", "setting"), FILES)
def test_a_new_file_is_private(plugin: str, setting: str, run_with: Callable[..., Result], tmp_path: Path):
    result = run_with(plugin, setting, tmp_path / "kept")
    assert result.code == 0, result.stderr
    assert stat.S_IMODE((tmp_path / "kept").stat().st_mode) == 0o600


@pytest.mark.parametrize(("plugin", "setting"), FILES)
def test_a_file_that_others_can_read_is_made_private(
    plugin: str, setting: str, run_with: Callable[..., Result], tmp_path: Path
):
    run_with(plugin, setting, tmp_path / "kept")
    (tmp_path / "kept").chmod(0o664)
    result = run_with(plugin, setting, tmp_path / "kept")
    assert result.code == 0, result.stderr
    assert stat.S_IMODE((tmp_path / "kept").stat().st_mode) == 0o600
