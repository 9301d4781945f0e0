"""A bookmark compared with what is in the folder now: which files to read, and how the bookmark moves on. Pure.

`older` recognizes old files that look new because something was done to them: a changed owner, a rename, a restored
backup, a move to another disk. They count as read only if *all* files that look old add up to exactly what was known
before. Any doubt means reading: a second reading is harmless (records have the same keys), a skipped file is not. So
all files are read again when there are more old files than before (a clock that was set back by more than an hour, a
disk mounted over the folder), or when the state is that of another folder with other files.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import NamedTuple

from .bookmark import LOOK_BACK_SECONDS, Bookmark, Known, Progress
from .file import File


def compare(bookmark: Bookmark, listing: Iterable[File]) -> Reading:
    """Return what a folder holds that the bookmark does not know; the bookmark forgets what is gone from the folder."""
    return Reading(bookmark, sorted(listing, key=lambda file: (file.arrived, file.path)))


class Unread(NamedTuple):
    """A file to read, and what is out of it already."""

    file: File
    identity: bytes
    progress: Progress | None


class Reading:
    """A bookmark and one listing of the folder: what is to be read, and how the bookmark moves while it is read.

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
        self._finished: set[bytes] = set()
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
        self._finished.add(unread.identity)
        self._settle(unread.file)

    def waiting(self) -> list[Unread]:
        """Return the files that are still not read, or not to their end."""
        return [unread for unread in self.unread if unread.identity not in self._finished]

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
        reach = math.floor(min(waiting_since, self.listing[-1].arrived, now)) - LOOK_BACK_SECONDS
        if self.bookmark.read_until is None or reach > self.bookmark.read_until:
            self.bookmark.read_until = reach
            self._pass()
