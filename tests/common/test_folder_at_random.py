"""Nothing is skipped and nothing is read twice, whatever happens to a folder, in whatever order."""

from __future__ import annotations

import json

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from support.disk import HOUR, Disk, Tap


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
