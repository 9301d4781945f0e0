"""The state of a stream that reads a folder: which files have been read. Pure.

What it guarantees
    * No file is skipped, however late it appears and whatever its name or its modification time: "new" is decided by
      the time at which the *storage* took the file in (`File.arrived`: the inode's change time on a local disk,
      LastModified in an object store), which no clock of a writer, no name and no copied time can put into the past.
      Only a directory that moves in as a whole brings its files with an old time: it is a new one, by its inode.
    * A file is read once. A rename, a new owner or a copied time make it look new; then its *content* tells that it was
      read.
    * The state is small: one time, 7 bytes for each file of the last hour before it, a number for each directory, an
      entry for each file that is partly read. It holds integers and texts only.

What it remembers
    `read_until`    each file that arrived up to then (whole seconds) is read, if it lies in one of `directories`
    `directories`   inodes of the directories known then; where there are none, as in object stores, 0 stands for all
    `read_since`    identities of the files read that `read_until` does not cover. It trails an hour behind the newest
                    file (`LOOK_BACK_SECONDS`), so that coarse times (a second in object stores), storage servers whose
                    clocks differ, and S3's habit of dating a multipart upload by its start hide nothing
    `older`         the number of files up to `read_until`, and sums over them, which recognize all of them together
    `unfinished`    files of which only some rows are out

`comparison.py` compares it with a listing.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from .file import IDENTITY_BYTES, File, number_of

LOOK_BACK_SECONDS = 3600


@dataclass
class Progress:
    """How far a file was read: its first `rows` rows are out.

    With `until` (milliseconds since 1970) only those of them that were received before it.
    """

    identity: bytes
    rows: int
    until: int | None = None


@dataclass
class Known:
    """A number of files, and two sums (modulo 2^64) over them: of what a move to another disk keeps, and a rename."""

    count: int = 0
    by_name: int = 0
    by_inode: int = 0

    def add(self, file: File) -> None:
        """Count a file in."""
        self.count += 1
        name = file.path.rpartition("/")[2]
        self.by_name = (self.by_name + number_of(name, file.size, file.modified)) % 2**64
        self.by_inode = (self.by_inode + number_of(file.inode, file.size, file.modified)) % 2**64

    @classmethod
    def of(cls, files: Iterable[File]) -> Known:
        """Return what stands for some files."""
        known = cls()
        for file in files:
            known.add(file)
        return known

    def is_same_as(self, other: Known) -> bool:
        """Whether both stand for the same files."""
        return self.count == other.count and (self.by_name == other.by_name or self.by_inode == other.by_inode)


@dataclass
class Bookmark:
    """See the module.

    Attributes:
        identify: Returns the identity of a file's content; it may have to open the file.
        folder: The folder's path.
        is_from_elsewhere: Whether the state has the path of another folder, or of this one before it was moved.
    """

    identify: Callable[[File], bytes]
    folder: str = ""
    read_until: int | None = None
    directories: set[int] = field(default_factory=set)
    read_since: set[bytes] = field(default_factory=set)
    older: Known = field(default_factory=Known)
    unfinished: dict[str, Progress] = field(default_factory=dict)
    is_from_elsewhere: bool = False

    def is_old(self, file: File) -> bool:
        """Whether time of arrival and directory alone tell that the file is read (or stands in `unfinished`)."""
        return self.is_passed(file) and file.directory in self.directories

    def is_passed(self, file: File) -> bool:
        """Whether the file arrived up to `read_until`."""
        return self.read_until is not None and file.arrived <= self.read_until

    @classmethod
    def from_state(cls, state: dict[str, Any], identify: Callable[[File], bytes], folder: str) -> Bookmark:
        """Restore from a stream's state.

        Raises:
            ValueError: When the state was not written by `to_state`.
        """
        if "read_until" not in state:
            return cls(identify, folder)
        try:
            digests = base64.b64decode(state["read_since"], validate=True)
            return cls(
                identify,
                folder,
                None if state["read_until"] is None else integer(state["read_until"]),
                {integer(directory) for directory in state["directories"]},
                {digests[start : start + IDENTITY_BYTES] for start in range(0, len(digests), IDENTITY_BYTES)},
                Known(
                    integer(state["older"]["count"]),
                    int(state["older"]["by_name"], 16),
                    int(state["older"]["by_inode"], 16),
                ),
                {path: progress_from(entry) for path, entry in state["unfinished"].items()},
                state["folder"] != folder,
            )
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise ValueError("not a state of this stream") from error

    def to_state(self) -> dict[str, Any]:
        """Return the state as plain JSON values, independent of later changes."""
        return {
            "folder": self.folder,
            "read_until": self.read_until,
            "directories": sorted(self.directories),
            "read_since": base64.b64encode(b"".join(sorted(self.read_since))).decode(),
            "older": {
                "count": self.older.count,
                "by_name": f"{self.older.by_name:x}",
                "by_inode": f"{self.older.by_inode:x}",
            },
            "unfinished": {
                path: {"identity": progress.identity.hex(), "rows": progress.rows, "until": progress.until}
                for path, progress in self.unfinished.items()
            },
        }


def progress_from(entry: dict[str, Any]) -> Progress:
    """Return the progress that a state holds."""
    until = entry["until"]
    return Progress(bytes.fromhex(entry["identity"]), integer(entry["rows"]), None if until is None else integer(until))


def integer(value: Any) -> int:
    """Return an integer of the state.

    Raises:
        ValueError: It is something else.
    """
    if type(value) is not int:
        raise ValueError("not an integer")
    return value
