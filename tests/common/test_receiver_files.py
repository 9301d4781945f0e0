"""Files that receivers append to: sealed by size, age and end; what a killed process leaves is not lost."""

from __future__ import annotations

import fcntl
import os
import shutil
import stat
from pathlib import Path

import pytest

from tap_split_impressions.common.folder.file import is_data, is_sealed
from tap_split_impressions.common.folder.folder import end_of_last_line
from tap_split_impressions.common.receiver.files import LocalFiles


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "impressions"
    path.mkdir()
    return path


def segments(folder: Path, *, max_bytes: int = 1000, max_seconds: float = 3600) -> LocalFiles:
    return LocalFiles(folder, "impressions", max_bytes=max_bytes, max_seconds=max_seconds)


def names(folder: Path, suffix: str = "") -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.name.endswith(suffix))


def sealed(folder: Path) -> list[bytes]:
    """What the tap would see, in order of the names."""
    return [(folder / name).read_bytes() for name in names(folder) if is_data(name)]


def test_a_file_is_sealed_when_it_ends(folder: Path) -> None:
    writer = segments(folder)
    writer.commit(b"one\n", b"")
    writer.commit(b"two\n", b"")
    assert sealed(folder) == []
    assert len(names(folder, ".open")) == 1
    writer.close()
    assert sealed(folder) == [b"one\ntwo\n"]
    assert all(is_sealed(name) for name in names(folder))


def test_a_file_is_sealed_at_its_size(folder: Path) -> None:
    writer = segments(folder, max_bytes=10)
    for line in (b"123456\n", b"123456\n", b"1234567890\n"):
        writer.commit(line, b"")
    assert sealed(folder) == [b"123456\n123456\n", b"1234567890\n"]


def test_a_file_is_sealed_at_its_age(folder: Path) -> None:
    writer = segments(folder, max_seconds=3600)
    writer.commit(b"one\n", b"")
    assert 3590 < writer.tick() <= 3600
    writer.max_seconds = 0
    assert writer.tick() is None
    assert sealed(folder) == [b"one\n"]


def test_zero_seconds_seal_each_commit(folder: Path) -> None:
    writer = segments(folder, max_seconds=0)
    writer.commit(b"one\n", b"")
    writer.commit(b"two\n", b"")
    assert sealed(folder) == [b"one\n", b"two\n"]


def test_rejects_lie_beside_the_data_and_are_private(folder: Path) -> None:
    writer = segments(folder)
    writer.commit(b"good\n", b"bad\n")
    writer.close()
    data, rejects = names(folder)
    assert rejects == f"{data}.rejects"
    assert (folder / rejects).read_bytes() == b"bad\n"
    assert stat.S_IMODE((folder / rejects).stat().st_mode) == 0o600


def leave_behind(folder: Path, content: bytes) -> Path:
    """A file as a killed process leaves it."""
    left = folder / "impressions-20260101T100000Z-0123456789ab-000001.jsonl.open"
    left.write_bytes(content)
    return left


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"one\ntwo\n", [b"one\ntwo\n"]),
        (b"one\ntw", [b"one\n"]),
        (b"tw", []),
        (b"", []),
        (b"one\n" + b"x" * 200_000, [b"one\n"]),
    ],
)
def test_what_a_killed_process_left_is_sealed_up_to_its_last_line(
    folder: Path, content: bytes, expected: list[bytes]
) -> None:
    leave_behind(folder, content)
    segments(folder)
    assert sealed(folder) == expected
    assert names(folder, ".open") == []


def test_a_link_that_somebody_left_is_not_followed(folder: Path, tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_bytes(b"one\nhalf a line")
    (folder / "impressions-20260101T100000Z-0123456789ab-000001.jsonl.open").symlink_to(victim)
    segments(folder)
    assert victim.read_bytes() == b"one\nhalf a line"


def test_it_is_sealed_by_a_process_that_already_runs_too(folder: Path) -> None:
    writer = segments(folder)
    leave_behind(folder, b"left\n")
    writer.commit(b"one\n", b"")
    assert sealed(folder) == [b"left\n"]


def test_a_file_of_a_living_process_is_left_alone(folder: Path) -> None:
    one, other = segments(folder), segments(folder)
    one.commit(b"one\n", b"")
    other.commit(b"other\n", b"")
    third = segments(folder)
    assert len(names(folder, ".open")) == 2
    for writer in (one, other, third):
        writer.close()
    assert sorted(sealed(folder)) == [b"one\n", b"other\n"]


def test_a_file_taken_away_before_it_was_locked_is_replaced(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = segments(folder)
    lock, taken = fcntl.flock, []

    def take_away_first(file: int, how: int) -> None:
        if not taken:
            taken.append(file)
            next(folder.glob("*.open")).unlink()
        lock(file, how)

    monkeypatch.setattr(fcntl, "flock", take_away_first)
    writer.commit(b"one\n", b"")
    writer.close()
    assert taken
    assert sealed(folder) == [b"one\n"]


def test_a_folder_removed_while_a_file_is_open_costs_nothing_that_comes_later(folder: Path) -> None:
    writer = segments(folder)
    writer.commit(b"gone with the folder\n", b"")
    shutil.rmtree(folder)
    writer.commit(b"later\n", b"")
    writer.close()
    assert sealed(folder) == [b"later\n"]


def test_a_write_that_fails_is_taken_back(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = segments(folder)
    writer.commit(b"one\n", b"")
    write = os.write
    monkeypatch.setattr(os, "write", lambda file, content: write(file, content[:3]) if len(content) > 3 else 0)
    with pytest.raises(OSError, match="No space left"):
        writer.commit(b"a line that does not fit\n", b"")
    monkeypatch.undo()
    writer.commit(b"two\n", b"")
    writer.close()
    assert sealed(folder) == [b"one\ntwo\n"]


def test_a_write_that_cannot_be_taken_back_is_cut_off(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = segments(folder)
    writer.commit(b"one\n", b"")
    write = os.write

    def fail(*_: object) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "write", lambda file, content: write(file, content[:3]) if len(content) > 3 else 0)
    monkeypatch.setattr(os, "ftruncate", fail)
    with pytest.raises(OSError, match="No space left"):
        writer.commit(b"a line that does not fit\n", b"")
    monkeypatch.undo()
    writer.commit(b"two\n", b"")
    writer.close()
    assert sorted(sealed(folder)) == [b"one\n", b"two\n"]


@pytest.mark.parametrize("content", [b"", b"abc", b"abc\n", b"abc\nde", b"\n", b"a\n" + b"b" * 50, b"b" * 50])
@pytest.mark.parametrize("step", [1, 7, 1000])
def test_the_end_of_the_last_line(tmp_path: Path, content: bytes, step: int) -> None:
    path = tmp_path / "file"
    path.write_bytes(content)
    file = os.open(path, os.O_RDONLY)
    assert end_of_last_line(file, step) == content.rfind(b"\n") + 1
    os.close(file)
