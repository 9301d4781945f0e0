"""Cleaning up removes what every given state has passed, and nothing else."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import pytest

from support.processes import BIN, Result, Workplace
from support.receiver import Run, Write, numbers_of
from tap_split_impressions.common.errors import ConnectorError
from tap_split_impressions.common.folder.folder import Folder
from tap_split_impressions.folder.prune import prune, seconds_of, stream_state

DAY = 86400.0


def left(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def bookmark(result: Result) -> dict[str, Any]:
    return result.state["bookmarks"]["impressions"]


@pytest.fixture
def tomorrow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody can set the time at which a file arrived; so the clock is what is set."""
    now = time.time
    monkeypatch.setattr("tap_split_impressions.folder.prune.time.time", lambda: now() + DAY)


def test_only_what_the_state_has_passed_is_removed(folder: Path, write: Write, run: Run, tomorrow: None) -> None:
    for number in range(4):
        write(f"{number}.jsonl", [number])
    result = run()
    write("new.jsonl", [9])
    os.utime(write("new-but-dated-back.jsonl", [10]), (1, 1))
    write("0.jsonl.rejects", [1])
    write("open.jsonl.open", [1])
    assert prune(Folder(str(folder)), [bookmark(result)], DAY / 2) == (4, 3)
    assert left(folder) == ["0.jsonl.rejects", "new-but-dated-back.jsonl", "new.jsonl", "open.jsonl.open"]
    assert sorted(numbers_of(run(result.state))) == [9, 10]


def test_young_files_stay(folder: Path, write: Write, run: Run) -> None:
    write("a.jsonl", [1])
    assert prune(Folder(str(folder)), [bookmark(run())], 60) == (0, 0)
    assert left(folder) == ["a.jsonl"]


def test_each_pipeline_must_have_passed_a_file(folder: Path, write: Write, run: Run, tomorrow: None) -> None:
    write("a.jsonl", [1])
    slow = bookmark(run())
    write("b.jsonl", [2])
    fast = bookmark(run())
    assert prune(Folder(str(folder)), [fast, slow], 60) == (1, 1)
    assert left(folder) == ["b.jsonl"]


def test_a_damaged_file_stays(folder: Path, write: Write, run: Run, tomorrow: None) -> None:
    (folder / "damaged.parquet").write_bytes(b"nothing")
    write("done.jsonl", [1])
    result = run(code=1)
    assert "1 file could not be read" in result.stderr
    assert prune(Folder(str(folder)), [bookmark(result)], 60) == (1, 1)
    assert left(folder) == ["damaged.parquet"]


def test_what_is_half_read_stays(folder: Path, write: Write, run: Run, tomorrow: None) -> None:
    write("half.jsonl", [1], received=1767261600000)
    with (folder / "half.jsonl").open("a") as file:
        file.write((write("other", [2], received=1767348000000)).read_text())
    (folder / "other").unlink()
    write("done.jsonl", [3], received=1767261600000)
    result = run(end_date="2026-01-02T00:00:00Z")
    assert sorted(numbers_of(result)) == [1, 3]
    assert prune(Folder(str(folder)), [bookmark(result)], 60) == (1, 1)
    assert numbers_of(run(result.state)) == [2]


def test_a_fresh_state_has_passed_nothing(folder: Path, write: Write, run: Run, tomorrow: None) -> None:
    write("a.jsonl", [1])
    assert prune(Folder(str(folder)), [{}], 60) == (0, 1)


@pytest.mark.parametrize(
    "wrap",
    [
        lambda state: state,
        lambda state: {"singer_state": state},
        lambda state: {"type": "STATE", "value": state},
    ],
)
def test_the_state_of_singer_and_of_meltano(tmp_path: Path, wrap: Any) -> None:
    path = tmp_path / "state.json"
    path.write_text(json.dumps(wrap({"bookmarks": {"impressions": {"read_until": 5.0}}})))
    assert stream_state(path) == {"read_until": 5.0}


@pytest.mark.parametrize("content", ["", "null", "[]", "{}", '{"bookmarks": {"events": {}}}', '{"singer_state": 5}'])
def test_a_state_without_the_stream_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "state.json"
    path.write_text(content)
    with pytest.raises(ConnectorError, match="nothing was removed"):
        stream_state(path)


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), ("30m", 1800), ("12h", 43200), ("7d", 604800), ("0.5d", 43200)]
)
def test_ages(text: str, seconds: float) -> None:
    assert seconds_of(text) == seconds


@pytest.mark.parametrize("text", ["", "7", "d", "-1d", "7w", "seven days"])
def test_what_is_no_age_is_refused(text: str) -> None:
    with pytest.raises(ConnectorError, match="--older-than"):
        seconds_of(text)


def test_the_command(workplace: Workplace, folder: Path, write: Write, run: Run) -> None:
    write("a.jsonl", [1])
    state = workplace.file("state.json", run().state)
    write("b.jsonl", [2])
    command = [str(BIN / "tap-split-impressions-webhook"), "prune", "--path", str(folder), "--state", str(state)]
    process = workplace.start([*command, "--older-than", "0s"])
    said, _ = process.communicate(timeout=30)
    assert (process.returncode, said) == (0, "Removed 1 file; 1 old ones stay because they have not been read.\n")
    assert left(folder) == ["b.jsonl"]
    process = workplace.start([*command, "--older-than", "soon"])
    _, said = process.communicate(timeout=30)
    assert process.returncode == 1
    assert "--older-than must be an age such as 12h or 7d." in said


def test_a_directory_that_moved_in_and_waits_stays(
    tmp_path: Path, folder: Path, write: Write, run: Run, tomorrow: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tap_split_impressions.common.folder.bookmark.LOOK_BACK_SECONDS", 0.0)
    (tmp_path / "elsewhere").mkdir()
    write("early.jsonl", [1]).rename(tmp_path / "elsewhere" / "early.jsonl")
    write("a.jsonl", [2])
    result = run()
    (tmp_path / "elsewhere").rename(folder / "moved")
    assert prune(Folder(str(folder)), [bookmark(result)], DAY / 2) == (1, 1)
    assert numbers_of(run(result.state)) == [1]
