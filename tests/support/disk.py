"""A folder to which anything may happen, and what reads it, for tests of `common/folder`."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from itertools import zip_longest

from common.folder.bookmark import LOOK_BACK_SECONDS, Bookmark
from common.folder.comparison import Reading, compare
from common.folder.file import File, identity_of

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


def filled(disk: Disk, tap: Tap, hours: int = 3) -> None:
    """A folder that was filled over some hours and has been read."""
    for number in range(hours * 4):
        disk.write(f"f{number:03}.jsonl", f"content {number:03}")
        disk.now += HOUR / 4
    assert len(tap.run()) == hours * 4
    assert tap.run() == []
