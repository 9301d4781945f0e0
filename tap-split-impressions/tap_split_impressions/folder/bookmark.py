"""Which files of the folder have been read: the state of the stream `impressions`.

Pure: it sees a listing, never the folder itself (contents are identified through a function that is passed in).

What it guarantees
    * No file is skipped, however late it appears and whatever its name or its modification time: "new" is decided by
      the time at which the *storage* took the file in (`File.arrived`: the inode's change time on a local disk,
      LastModified in an object store), which no clock of a writer, no name and no copied time can put into the past.
      Only a directory that moves in as a whole brings its files with an old time: it is a new one, by its inode.
    * A file is read once. A rename, a new owner or a copied time make it look new; then its *content* tells that it was
      read.
    * The state is small: one time, 8 bytes for each file of the last hour before it, a number for each directory, an
      entry for each file that is half read.

How
    `read_until`: each file that arrived up to then is read, if it lies in one of the `directories`: those that were
    there before (their inodes; where there are none, as in object stores, 0 stands for all). It trails an hour
    (`LOOK_BACK`) behind the newest file read, so that coarse times (a second in object stores), storage servers whose
    clocks differ, and S3's habit of dating a multipart upload by its beginning hide nothing. `read_since` holds the
    identities of the files read that are not told by these two.
    `older` (the number of files up to `read_until`, and sums that stand for them) recognises old files that look new
    because something was done to them: a changed owner, a rename, a restored backup, a move to another disk. They are
    taken for read only if *all* that looks old adds up to exactly what was known before. Any doubt means reading, since
    a second reading is harmless (equal `impression_id`) and a skipped file is not: so all is read again if there are
    more old files than before (a clock that was set back by more than an hour, a disk mounted over the folder), or if
    the state is that of another folder with other files.
    `unfinished`: files of which only some rows are out: one that was being read when the run was stopped, one with rows
    at or after `end_date`, one that turned out to be damaged. Rows are counted as they lie in the file.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any, NamedTuple

LOOK_BACK_SECONDS = 3600.0
IDENTITY_BYTES = 8  # of 1,000 files in an hour one would be taken for another once in 10^13 years


class File(NamedTuple):
    """A file as the listing shows it. Times are seconds since 1970 by the storage's clock."""

    path: str  # below the folder
    size: int
    arrived: float
    modified: float
    content: str | None = None  # a checksum of the content, where the storage lists one
    inode: int = 0  # on a local disk
    directory: int = 0  # the inode of the directory it lies in, on a local disk


@dataclass
class Progress:
    """How far a file was read: its first `rows` rows are out.

    With `until` (milliseconds since 1970) only those of them that were received before it.
    """

    identity: bytes
    rows: int
    until: int | None = None


def identity_of(*parts: str | bytes | float) -> bytes:
    """Return a short hash that stands for the given parts."""
    digest = blake2b(digest_size=IDENTITY_BYTES)
    for part in parts:
        text = part if isinstance(part, bytes) else str(part).encode("utf-8", "surrogateescape")
        digest.update(b"%d:" % len(text) + text)
    return digest.digest()


def number_of(*parts: str | float) -> int:
    """Return `identity_of` as a number."""
    return int.from_bytes(identity_of(*parts), "big")


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
        identify: Returns the identity of a file's content, at the price of opening it where need be.
        folder: Which folder this is about.
        is_from_elsewhere: Whether the state is that of another folder, or of this one at another place.
    """

    identify: Callable[[File], bytes]
    folder: str = ""
    read_until: float | None = None
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

    def open(self, listing: Iterable[File]) -> Reading:
        """Compare with what is there now; what is gone from the folder is forgotten."""
        return Reading(self, sorted(listing, key=lambda file: (file.arrived, file.path)))

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
                None if state["read_until"] is None else float(state["read_until"]),
                {int(directory) for directory in state["directories"]},
                {digests[start : start + IDENTITY_BYTES] for start in range(0, len(digests), IDENTITY_BYTES)},
                Known(
                    int(state["older"]["count"]),
                    int(state["older"]["by_name"], 16),
                    int(state["older"]["by_inode"], 16),
                ),
                {
                    path: Progress(bytes.fromhex(entry["identity"]), int(entry["rows"]), entry["until"])
                    for path, entry in state["unfinished"].items()
                },
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


class Unread(NamedTuple):
    """A file to read, and what is out of it already."""

    file: File
    identity: bytes
    progress: Progress | None


class Reading:
    """A bookmark beside one listing of the folder: what is to be read, and how the bookmark moves while it is read.

    Attributes:
        unread: The files to read, in order of arrival.
        same_content: How many of the files hold exactly what another one holds; they are not read.
        is_doubtful: Whether the state does not fit this folder, so that everything is read.
    """

    def __init__(self, bookmark: Bookmark, listing: list[File]) -> None:
        self.bookmark = bookmark
        self.listing = listing
        self.unread: list[Unread] = []
        self.same_content = 0
        self._identities: dict[str, bytes] = {}
        self._last_arrival: dict[bytes, float] = {}
        self._passed = 0  # how many files of the listing lie up to `read_until`
        self._moved_in: set[str] = set()  # files to read that lie there as well, since they came with their directory
        self.is_doubtful = self._is_doubtful()
        self._compare()

    def _is_doubtful(self) -> bool:
        bookmark = self.bookmark
        old = Known.of(file for file in self.listing if bookmark.is_old(file))
        return old.count > bookmark.older.count or (
            bookmark.is_from_elsewhere and bool(self.listing) and not old.is_same_as(bookmark.older)
        )

    def _compare(self) -> None:
        bookmark = self.bookmark
        if self.is_doubtful:
            bookmark.read_until = None
        half_read = {progress.identity: progress for progress in bookmark.unfinished.values()}
        looking_new: list[Unread] = []
        for file in self.listing:
            if bookmark.is_old(file) and file.path not in bookmark.unfinished:
                continue
            identity = bookmark.identify(file)
            if identity in self._last_arrival:
                self.same_content += 1
            elif identity not in bookmark.read_since:
                looking_new.append(Unread(file, identity, half_read.get(identity)))
            self._identities[file.path] = identity
            self._last_arrival[identity] = file.arrived
        returned = self._returned(looking_new)
        self.unread = [unread for unread in looking_new if unread.identity not in returned]
        if self.listing:
            # An empty folder may be one that is not mounted just now.
            bookmark.read_since = (bookmark.read_since & self._last_arrival.keys()) | returned
            bookmark.unfinished = {unread.file.path: unread.progress for unread in self.unread if unread.progress}
            moved_in = [
                unread.file for unread in self.unread if bookmark.is_passed(unread.file) and not unread.progress
            ]
            self._moved_in = {file.path for file in moved_in}
            self._take_in_directories(besides={file.directory for file in moved_in})

    def _take_in_directories(self, besides: set[int]) -> None:
        """Take all directories for known, except some."""
        self.bookmark.directories = {file.directory for file in self.listing} - besides
        self.bookmark.older, self._passed = Known(), 0
        self._pass()

    def _returned(self, looking_new: list[Unread]) -> set[bytes]:
        """Return the identities of old files with a new time of arrival, if all together prove that they are."""
        bookmark = self.bookmark
        if bookmark.read_until is None or not bookmark.older.count:
            return set()
        candidates = [u for u in looking_new if not u.progress and u.file.modified <= bookmark.read_until]
        known = Known.of([file for file in self.listing if bookmark.is_old(file)] + [u.file for u in candidates])
        return {unread.identity for unread in candidates} if known.is_same_as(bookmark.older) else set()

    def _pass(self) -> None:
        """Let the files up to `read_until` be known by their sum instead of each by its identity."""
        while self._passed < len(self.listing) and self.bookmark.is_passed(self.listing[self._passed]):
            file = self.listing[self._passed]
            self._passed += 1
            if not self.bookmark.is_old(file):
                continue
            self.bookmark.older.add(file)
            identity = self._identities.get(file.path)
            # A copy of the file that arrived later still needs the identity.
            if identity and self._last_arrival[identity] <= file.arrived:
                self.bookmark.read_since.discard(identity)

    def note(self, unread: Unread, rows: int, until: int | None = None) -> None:
        """Remember that a file's first rows are out and the rest is not."""
        self.bookmark.unfinished[unread.file.path] = Progress(unread.identity, rows, until)
        self._settle(unread.file)

    def finish(self, unread: Unread) -> None:
        """Remember that all of a file is out."""
        self.bookmark.unfinished.pop(unread.file.path, None)
        self.bookmark.read_since.add(unread.identity)
        self._settle(unread.file)

    def _settle(self, file: File) -> None:
        """Take the directories that moved in for known as soon as the state holds all of their old files."""
        if file.path in self._moved_in:
            self._moved_in.remove(file.path)
            if not self._moved_in:
                self._take_in_directories(besides=set())

    def advance(self, waiting_since: float, now: float) -> None:
        """Move `read_until` on: to an hour before the first file that still waits, the newest file, and now.

        Args:
            waiting_since: The earliest arrival of a file that is still to be read; infinity when there is none.
            now: The time.
        """
        if not self.listing:
            return
        reach = min(waiting_since, self.listing[-1].arrived, now) - LOOK_BACK_SECONDS
        if self.bookmark.read_until is None or reach > self.bookmark.read_until:
            self.bookmark.read_until = reach
            self._pass()
