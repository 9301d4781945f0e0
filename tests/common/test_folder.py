"""Nothing is skipped and nothing is read twice: the bookmark against a folder to which anything may happen."""

from __future__ import annotations

import json
import math

import pytest

from support.disk import HOUR, START, Disk, Tap, filled


@pytest.fixture
def disk() -> Disk:
    return Disk()


@pytest.fixture
def tap(disk: Disk) -> Tap:
    return Tap(disk)


def test_files_are_read_in_order_of_arrival_whatever_their_names(disk: Disk, tap: Tap) -> None:
    for name in ("z", "a", "m"):
        disk.write(name, f"content of {name}")
        disk.now += 1
    assert tap.run() == ["content of z", "content of a", "content of m"]
    assert tap.run() == []


@pytest.mark.parametrize("age", [0.0, HOUR / 2, 2 * HOUR, 1000 * HOUR])
def test_a_file_with_an_old_time_and_an_early_name_is_still_read_once(disk: Disk, tap: Tap, age: float) -> None:
    filled(disk, tap)
    disk.write("a-late.jsonl", "late", modified=disk.now - age)
    assert tap.run() == ["late"]
    assert tap.run() == []


def test_a_file_with_a_time_in_the_future_hides_nothing(disk: Disk, tap: Tap) -> None:
    disk.write("future.jsonl", "future", modified=disk.now + 1000 * HOUR)
    assert tap.run() == ["future"]
    disk.now += 1
    disk.write("a.jsonl", "next")
    assert tap.run() == ["next"]


def test_a_storage_clock_that_ran_ahead_hides_nothing(disk: Disk, tap: Tap) -> None:
    disk.write("ahead.jsonl", "ahead")
    disk.files["ahead.jsonl"] = disk.files["ahead.jsonl"]._replace(arrived=disk.now + 1000 * HOUR)
    assert tap.run() == ["ahead"]
    for number in range(5):
        disk.now += HOUR
        disk.write(f"f{number}", f"content {number}")
        assert tap.run() == [f"content {number}"]


def test_files_of_one_second_are_told_apart(tap: Tap) -> None:
    tap.disk.resolution = 1.0
    for number in range(50):
        tap.disk.write(f"f{number}", f"content {number}")
        assert tap.run() == [f"content {number}"]


@pytest.mark.parametrize("hours", [0, 3])
def test_a_renamed_file_is_not_read_again(disk: Disk, tap: Tap, hours: int) -> None:
    filled(disk, tap)
    disk.now += hours * HOUR
    disk.write("newer.jsonl", "newer")
    assert tap.run() == ["newer"]
    disk.rename("f000.jsonl", "archive/f000.jsonl")
    disk.rename("f001.jsonl", "a-first-name.jsonl")
    assert tap.run() == []
    assert tap.run() == []


@pytest.mark.parametrize("change", [{}, {"inode": 7}, {"inode": 7, "directory": 8}])
def test_a_new_owner_or_another_disk_for_all_files_does_not_read_them_again(
    disk: Disk, tap: Tap, change: dict[str, int]
) -> None:
    filled(disk, tap, hours=100)
    disk.touch_all(**change)
    disk.write("newer.jsonl", "newer")
    assert tap.run() == ["newer"]
    assert tap.run() == []


def test_a_replaced_old_file_is_read_even_if_it_looks_alike(disk: Disk, tap: Tap) -> None:
    filled(disk, tap)
    replaced = disk.files.pop("f000.jsonl")
    disk.write("f000-b.jsonl", "content ABC", modified=replaced.modified)
    assert tap.run() == ["content ABC"]


def test_a_copy_is_not_read_again(disk: Disk, tap: Tap) -> None:
    disk.write("one.jsonl", "same")
    disk.write("two.jsonl", "same")
    assert tap.run() == ["same"]
    disk.now += HOUR / 2
    disk.write("three.jsonl", "same")
    assert tap.run() == []


def test_a_copy_that_outlives_the_hour_of_the_first_is_not_read_again(disk: Disk, tap: Tap) -> None:
    disk.write("one.jsonl", "same")
    disk.now += HOUR / 2
    disk.write("two.jsonl", "same")
    tap.run()
    disk.now += HOUR * 0.75
    disk.write("three.jsonl", "other")
    assert tap.run() == ["other"]
    assert tap.run() == []


def test_a_cleaned_up_folder_is_not_read_again(disk: Disk, tap: Tap) -> None:
    filled(disk, tap)
    for path in sorted(disk.files)[:8]:
        del disk.files[path]
    disk.write("newer.jsonl", "newer")
    assert tap.run() == ["newer"]
    disk.touch_all()
    assert tap.run() == []


@pytest.mark.parametrize("removed", [0, 2, 8, 12])
@pytest.mark.parametrize("limit", [None, 1])
def test_a_directory_that_moves_in_is_read_whatever_was_removed(
    disk: Disk, tap: Tap, removed: int, limit: int | None
) -> None:
    filled(disk, tap)
    for path in sorted(disk.files)[:removed]:
        del disk.files[path]
    disk.move_in("moved", {"old": START - 50 * HOUR, "same hour": START + 1, "in the last hour": disk.now - 60})
    disk.write("newer.jsonl", "newer")
    runs = [tap.run(limit) for _ in range(4)]
    assert [content for run in runs for content in run] == ["old", "same hour", "in the last hour", "newer"]
    assert tap.run() == []
    disk.now += 5 * HOUR
    disk.write("newest.jsonl", "newest")
    assert tap.run() == ["newest"]
    assert tap.run() == []
    assert len(json.dumps(tap.state)) < 300


def test_a_directory_that_takes_the_place_of_another_is_read(disk: Disk, tap: Tap) -> None:
    disk.move_in("export", {"one": START - 9 * HOUR, "two": START - 8 * HOUR})
    tap.run()
    filled(disk, tap)
    disk.move_in("export", {"six": START - 9 * HOUR})
    assert tap.run() == ["six"]
    assert tap.run() == []


def test_a_moved_in_directory_that_cannot_all_be_read_is_come_back_to(disk: Disk, tap: Tap) -> None:
    filled(disk, tap)
    for path in sorted(disk.files)[:5]:
        del disk.files[path]
    disk.move_in("moved", {"damaged": START - 9 * HOUR, "good": START - 8 * HOUR})
    for readable in (["good"], []):
        reading = tap.open()
        damaged, *others = reading.unread
        assert damaged.file.content == "damaged"
        assert [other.file.content for other in others] == readable
        reading.note(damaged, 0)
        for other in others:
            reading.finish(other)
        reading.advance(math.inf, disk.now)
        tap.state = reading.bookmark.to_state()


def test_a_renamed_directory_is_not_read_again(disk: Disk, tap: Tap) -> None:
    disk.move_in("export", {"one": START - 9 * HOUR, "two": START - 8 * HOUR})
    tap.run()
    filled(disk, tap)
    disk.directories["renamed"] = disk.directories.pop("export")
    for path in ("export/one", "export/two"):
        file = disk.files.pop(path)
        disk.files[path.replace("export", "renamed")] = file._replace(path=path.replace("export", "renamed"))
    del disk.files["f000.jsonl"]
    assert tap.run() == []


def test_a_folder_that_is_away_for_a_while_is_not_read_again(disk: Disk, tap: Tap) -> None:
    filled(disk, tap)
    away, disk.files = disk.files, {}
    assert tap.run() == []
    disk.files = away
    assert tap.run() == []


def test_an_interrupted_run_goes_on_after_each_file(disk: Disk, tap: Tap) -> None:
    for number in range(20):
        disk.write(f"f{number:02}", f"content {number}")
        disk.now += HOUR / 3
    runs = [tap.run(limit=3) for _ in range(7)]
    assert [content for run in runs for content in run] == [f"content {number}" for number in range(20)]
    assert tap.run() == []


def test_a_folder_that_moves_is_not_read_again_and_another_one_is_read_whole(disk: Disk, tap: Tap) -> None:
    filled(disk, tap)
    tap.folder = "/moved"
    assert tap.run() == []
    another = Disk(now=disk.now)
    another.files = {path: file._replace(content=f"other {file.content}") for path, file in disk.files.items()}
    del another.files["f003.jsonl"]
    another.write("f004.jsonl", "new")
    tap.disk, tap.folder = another, "/another"
    assert not tap.open().bookmark.is_old(another.files["f000.jsonl"])
    assert len(tap.run()) == 11
    assert tap.run() == []


def test_files_that_turn_up_with_an_arrival_long_ago_are_read(disk: Disk, tap: Tap) -> None:
    filled(disk, tap)
    disk.now -= 5 * HOUR  # a clock that was wrong and is set right
    disk.write("new.jsonl", "new")
    assert "new" in tap.run()


def test_a_half_read_file_is_found_again_even_under_another_name(disk: Disk, tap: Tap) -> None:
    disk.write("half.jsonl", "half")
    reading = tap.open()
    reading.note(reading.unread[0], 17, 1767261600000)
    reading.advance(disk.now, disk.now)
    tap.state = reading.bookmark.to_state()
    disk.rename("half.jsonl", "moved.jsonl")
    (unread,) = tap.open().unread
    assert (unread.progress.rows, unread.progress.until) == (17, 1767261600000)


def test_a_damaged_file_is_tried_again_and_holds_nothing_up(disk: Disk, tap: Tap) -> None:
    disk.write("damaged.parquet", "damaged")
    for number in range(40):
        disk.now += HOUR
        disk.write(f"f{number}", f"content {number}")
        reading = tap.open()
        assert [unread.file.path for unread in reading.unread] == ["damaged.parquet", f"f{number}"]
        reading.note(reading.unread[0], 0)
        reading.finish(reading.unread[1])
        reading.advance(math.inf, disk.now)
        tap.state = reading.bookmark.to_state()
        assert len(json.dumps(tap.state)) < 500
