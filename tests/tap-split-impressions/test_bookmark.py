"""Nothing is skipped and nothing is read twice: the bookmark against a folder to which anything may happen."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from itertools import zip_longest

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from tap_split_impressions.common.folder.bookmark import LOOK_BACK_SECONDS, Bookmark
from tap_split_impressions.common.folder.comparison import Reading, compare
from tap_split_impressions.common.folder.file import File, identity_of

HOUR = LOOK_BACK_SECONDS
START = 1_767_261_600.0


@dataclass
class Disk:
    """A folder. Every change of a file, be it a rename, sets its time of arrival; only writing gives it a new inode.

    What becomes of a directory changes nothing of the files in it.
    """

    resolution: float = 0.0
    now: float = START
    files: dict[str, File] = field(default_factory=dict)
    inodes: int = 0
    directories: dict[str, int] = field(default_factory=dict)

    def arrival(self) -> float:
        return self.now // self.resolution * self.resolution if self.resolution else self.now

    def write(self, path: str, content: str, modified: float | None = None) -> None:
        when = self.arrival() if modified is None else modified
        directory = self.directory_of(path)
        self.files[path] = File(path, len(content), self.arrival(), when, content, self.new_inode(), directory)

    def new_inode(self) -> int:
        self.inodes += 1
        return self.inodes

    def directory_of(self, path: str) -> int:
        name = path.rpartition("/")[0]
        if name not in self.directories:
            self.directories[name] = self.new_inode()
        return self.directories[name]

    def rename(self, path: str, new: str) -> None:
        directory = self.directory_of(new)
        self.files[new] = self.files.pop(path)._replace(path=new, arrived=self.arrival(), directory=directory)

    def move_in(self, name: str, contents: dict[str, float]) -> None:
        """A directory comes in as a whole; its files were last changed at the given times."""
        self.remove_directory(name)
        directory = self.directory_of(f"{name}/")
        for content, changed in contents.items():
            path = f"{name}/{content}"
            self.files[path] = File(path, len(content), changed, changed, content, self.new_inode(), directory)

    def remove_directory(self, name: str) -> None:
        self.directories.pop(name, None)
        self.files = {path: file for path, file in self.files.items() if not path.startswith(f"{name}/")}

    def touch_all(self, **changes: int) -> None:
        for path, file in self.files.items():
            self.files[path] = file._replace(arrived=self.arrival(), **changes)


@dataclass
class Tap:
    """Reads a disk; the state goes through JSON between two runs."""

    disk: Disk
    folder: str = "/data"
    state: dict[str, object] = field(default_factory=dict)
    read: list[str] = field(default_factory=list)

    def open(self) -> Reading:
        state = json.loads(json.dumps(self.state))
        bookmark = Bookmark.from_state(state, lambda file: identity_of(file.content), self.folder)
        return compare(bookmark, self.disk.files.values())

    def run(self, limit: int | None = None) -> list[str]:
        """Read up to so many files; return the contents in order."""
        reading = self.open()
        contents = []
        for unread, following in zip_longest(reading.unread, reading.unread[1:]):
            if len(contents) == limit:
                break
            contents.append(unread.file.content)
            reading.finish(unread)
            reading.advance(following.file.arrived if following else math.inf, self.disk.now)
        if not reading.unread:
            reading.advance(math.inf, self.disk.now)
        if contents or limit is None:
            self.state = reading.bookmark.to_state()
        self.read += contents
        return contents


@pytest.fixture
def disk() -> Disk:
    return Disk()


@pytest.fixture
def tap(disk: Disk) -> Tap:
    return Tap(disk)


def filled(disk: Disk, tap: Tap, hours: int = 3) -> None:
    """A folder that was filled over some hours and has been read."""
    for number in range(hours * 4):
        disk.write(f"f{number:03}.jsonl", f"content {number:03}")
        disk.now += HOUR / 4
    assert len(tap.run()) == hours * 4
    assert tap.run() == []


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


def test_the_state_stays_small(disk: Disk, tap: Tap) -> None:
    for number in range(3000):
        disk.write(f"f{number}", f"content {number}")
        disk.now += 60
    assert len(tap.run()) == 3000
    assert len(json.dumps(tap.state)) < 1200
    for number in range(10_000):  # all at once
        disk.write(f"g{number}", f"burst {number}")
    tap.run()
    assert len(json.dumps(tap.state)) < 110_000
    disk.now += 2 * HOUR
    disk.write("next", "next")
    tap.run()
    assert len(json.dumps(tap.state)) < 500


def test_a_hundred_thousand_files_at_once_make_a_state_below_a_megabyte(disk: Disk, tap: Tap) -> None:
    for number in range(100_000):
        disk.write(f"impressions-{number:06}.jsonl", f"content {number}")
    reading = tap.open()
    assert len(reading.unread) == 100_000
    for unread in reading.unread:
        reading.finish(unread)
    reading.advance(math.inf, disk.now)
    tap.state = reading.bookmark.to_state()
    assert len(json.dumps(tap.state)) < 1_000_000
    assert tap.open().unread == []


def test_a_state_holds_integers_and_texts_only(disk: Disk, tap: Tap) -> None:
    disk.now += 0.25
    filled(disk, tap)
    disk.write("half.jsonl", "half")
    reading = tap.open()
    reading.note(reading.unread[0], 5, 1767261600000)
    assert "." not in json.dumps(reading.bookmark.to_state()).replace(".jsonl", "")


@pytest.mark.parametrize(
    "state",
    [
        {"read_until": "yesterday"},
        {"read_until": 5.0},
        {"read_until": 5.0, "directories": 7, "read_since": "", "older": {}, "unfinished": {}},
        {"read_until": 5.0, "directories": [], "read_since": "?", "older": {}, "unfinished": {}},
        {"read_until": 5.0, "directories": [], "read_since": "", "older": {"count": 1}, "unfinished": {}},
        {"read_until": 5.0, "directories": [], "read_since": "", "older": None, "unfinished": []},
    ],
)
def test_a_state_that_is_none_is_refused(state: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="not a state"):
        Bookmark.from_state(state, lambda file: b"", "/data")


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
MEMBERS = {
    "folder": "/data",
    "read_until": 5,
    "directories": [7],
    "read_since": "",
    "older": {"count": 0, "by_name": "0", "by_inode": "0"},
    "unfinished": {"a.jsonl": {"identity": "00", "rows": 1, "until": None}},
}


@given(st.sampled_from(list(MEMBERS)), json_values)
def test_any_state_is_understood_or_refused(member: str, value: object) -> None:
    try:
        bookmark = Bookmark.from_state({**MEMBERS, member: value}, lambda file: b"", "/data")
    except ValueError:
        return
    again = Bookmark.from_state(json.loads(json.dumps(bookmark.to_state())), lambda file: b"", "/data")
    assert again.to_state() == bookmark.to_state()


class AnythingHappens(RuleBasedStateMachine):
    """Files come, go, move, are copied and get new owners, while runs end early or not at all."""

    def __init__(self) -> None:
        super().__init__()
        self.disk = Disk(resolution=1.0)
        self.tap = Tap(self.disk)
        self.count = 0
        self.happened: set[str] = set()  # to old files, since the last state
        self.old: set[str] = set()  # contents of files that the last state knows only by their sum

    def remember_old_files(self) -> None:
        until = self.tap.state.get("read_until")
        if until is not None:
            self.old = {file.content for file in self.disk.files.values() if file.arrived <= until}

    def note(self, what: str, paths: list[str]) -> None:
        # A file stays old whatever happens to it: a rename after a move leaves nothing that tells which one it is.
        old = [file for file in map(self.disk.files.get, paths) if file.content in self.old]
        if old:
            self.happened.add(what)
        if any(file.modified > file.arrived for file in old):
            self.happened.add("dated in the future")

    def is_late_file_unread(self) -> bool:
        until = self.tap.state.get("read_until")
        unread = [file for file in self.disk.files.values() if file.content not in self.tap.read]
        return until is not None and any(file.modified <= until for file in unread)

    def any_path(self, number: int) -> str:
        return sorted(self.disk.files)[number % len(self.disk.files)]

    @rule(seconds=st.sampled_from([0.3, 40.0, HOUR / 3, HOUR, 5 * HOUR]))
    def time_passes(self, seconds: float) -> None:
        self.disk.now += seconds

    @rule(age=st.sampled_from([0.0, -HOUR, HOUR / 2, 3 * HOUR, 500 * HOUR]), prefix=st.sampled_from("amz"))
    def a_file_comes(self, age: float, prefix: str) -> None:
        self.count += 1
        modified = self.disk.arrival() - age
        self.disk.write(f"{prefix}{self.count}", f"content {self.count}", modified)
        until = self.tap.state.get("read_until")
        if until is not None and modified <= until:
            self.happened.add("late")

    @precondition(lambda self: self.disk.files)
    @rule(number=st.integers(0, 99), prefix=st.sampled_from("amz"))
    def a_file_is_renamed(self, number: int, prefix: str) -> None:
        path = self.any_path(number)
        self.note("rename", [path])
        self.count += 1
        self.disk.rename(path, f"{prefix}{self.count}")

    @precondition(lambda self: self.disk.files)
    @rule(number=st.integers(0, 99))
    def a_file_is_removed(self, number: int) -> None:
        path = self.any_path(number)
        self.note("remove", [path])
        del self.disk.files[path]

    @rule(ages=st.lists(st.sampled_from([0.0, HOUR / 2, 3 * HOUR, 500 * HOUR]), min_size=1, max_size=3, unique=True))
    def a_directory_comes(self, ages: list[float]) -> None:
        self.count += 1
        self.disk.move_in(f"d{self.count}", {f"{self.count} of {age}": self.disk.arrival() - age for age in ages})
        self.happened.add("late")

    @precondition(lambda self: any("/" in path for path in self.disk.files))
    @rule(number=st.integers(0, 99))
    def a_directory_goes(self, number: int) -> None:
        names = sorted({path.rpartition("/")[0] for path in self.disk.files} - {""})
        name = names[number % len(names)]
        self.note("remove", [path for path in self.disk.files if path.startswith(f"{name}/")])
        self.disk.remove_directory(name)

    @rule()
    def all_get_a_new_owner(self) -> None:
        self.note("owner", list(self.disk.files))
        self.disk.touch_all()

    @rule()
    def all_move_to_another_disk(self) -> None:
        self.note("move", list(self.disk.files))
        self.disk.directories.clear()
        for path, file in self.disk.files.items():
            directory = self.disk.directory_of(path)
            moved = file._replace(inode=self.disk.new_inode(), arrived=self.disk.arrival(), directory=directory)
            self.disk.files[path] = moved

    @rule(limit=st.none() | st.integers(0, 3))
    def a_run(self, limit: int | None) -> None:
        done_to_old_files = self.happened & {"rename", "owner", "move"}
        exact = not done_to_old_files or self.happened <= {"rename", "owner"} or self.happened <= {"move", "owner"}
        before, state = set(self.tap.read), self.tap.state
        contents = self.tap.run(limit)
        if self.tap.state is not state:
            self.remember_old_files()
        again = before & set(contents)
        assert len(set(contents)) == len(contents)
        assert not (exact and again), f"read again: {again}"
        if limit is None:
            self.happened = set()  # what was in doubt is read; a run that ended early may leave some of it
            assert {file.content for file in self.disk.files.values()} <= set(self.tap.read)
        elif self.is_late_file_unread():
            self.happened.add("late")

    @invariant()
    def state_is_small(self) -> None:
        assert len(json.dumps(self.tap.state)) < 300 + 12 * len(self.disk.files)


TestAnythingHappens = AnythingHappens.TestCase
TestAnythingHappens.settings = settings(max_examples=100, stateful_step_count=30, deadline=None)
