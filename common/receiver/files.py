"""Files that receivers append to: each line is on disk before any sender is told so.

A file named `NAME.open` belongs to a running process, which holds a lock on it. It is sealed, by a rename to `NAME`,
when it is old or large enough and when the process stops. What a killed process left open is sealed by the next one
that starts in the folder or opens a file there, without the line that was being written (no sender was told that it is
stored). Until then a tap reads it where it is.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import secrets
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

from ..folder.file import OPEN_SUFFIX, REJECTS_SUFFIX
from ..folder.folder import end_of_last_line

sync_data = getattr(os, "fdatasync", os.fsync)  # macOS has the latter only

DATA_MODE = 0o640
REJECTS_MODE = 0o600  # a rejected item may hold anything


class Storage(Protocol):
    """Where batches are stored. Only one thread calls it."""

    def commit(self, lines: bytes, rejects: bytes) -> None:
        """Store lines and rejects so that they survive a power failure; after an error, as if never called."""

    def tick(self) -> float | None:
        """Seal what is due; return in how many seconds the next thing is due."""

    def close(self) -> None:
        """Seal everything."""


class Names:
    """Unique file names: prefix, start time, a random number of the process, a sequence number.

    `folder.file.is_sealed` recognizes them.
    """

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix
        self._process = secrets.token_hex(6)
        self._count = 0

    def next(self) -> str:
        """Return the name of a new file."""
        self._count += 1
        beginning = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
        return f"{self._prefix}-{beginning}-{self._process}-{self._count:06d}.jsonl"


class LocalFiles:
    """Appends to files in a local folder, which several processes may share.

    Args:
        folder: The folder; created if missing.
        prefix: What the names of its files begin with.
        max_bytes: A file that has reached this size is sealed.
        max_seconds: A file of this age is sealed. 0 seals after each commit.
    """

    def __init__(self, folder: Path, prefix: str, *, max_bytes: int, max_seconds: float) -> None:
        self.folder = folder
        self.max_bytes = max_bytes
        self.max_seconds = max_seconds
        self._names = Names(prefix)
        self._file: int | None = None
        self._path = folder
        self._size = 0
        self._opened = 0.0
        self._prepare_folder()

    def commit(self, lines: bytes, rejects: bytes) -> None:
        """Append and wait for the disk. A failed write is undone.

        Raises:
            OSError: Nothing was stored; `errno.ENOSPC` when the disk is full.
        """
        if rejects:
            self._reject(rejects)
        if lines:
            self._append(lines)
        self.tick()

    def _append(self, lines: bytes) -> None:
        file = self._opened_file()
        try:
            write_all(file, lines)
            sync_data(file)
        except OSError:
            self._undo(file)
            raise
        self._size += len(lines)

    def _opened_file(self) -> int:
        """Return the open file, or a new one if there is none or it was removed."""
        if self._file is not None and is_removed(self._file):
            os.close(self._file)
            self._file = None
        while self._file is None:
            self._prepare_folder()
            self._path = self.folder / f"{self._names.next()}{OPEN_SUFFIX}"
            self._file = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, DATA_MODE)
            with contextlib.suppress(OSError):  # not every network file system has locks
                fcntl.flock(self._file, fcntl.LOCK_EX)  # a reader that looks whether it is locked holds it for a moment
            self._size, self._opened = 0, time.monotonic()
            sync_folder(self.folder)
            # Before it was locked another process may have taken the file for one left behind.
            if is_removed(self._file):
                os.close(self._file)
                self._file = None
        return self._file

    def _prepare_folder(self) -> None:
        """Make the folder if need be, and seal what killed processes have left in it."""
        self.folder.mkdir(parents=True, exist_ok=True)
        for left in sorted(self.folder.glob(f"*{OPEN_SUFFIX}")):
            recover(left)

    def _undo(self, file: int) -> None:
        """Cut off what a failed write has left, or close the file: an uncertain one must not stay open."""
        try:
            os.ftruncate(file, self._size)
        except OSError:
            os.close(file)
            self._file = None

    def _reject(self, rejects: bytes) -> None:
        # Beside the open file, or a new one: a rejected item is as durable as the batch it came with.
        self._opened_file()
        path = self._path.with_name(self._path.name.removesuffix(OPEN_SUFFIX) + REJECTS_SUFFIX)
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, REJECTS_MODE)
        size = os.fstat(file).st_size
        try:
            write_all(file, rejects)
            sync_data(file)
        except OSError:
            with contextlib.suppress(OSError):
                os.ftruncate(file, size)
            raise
        finally:
            os.close(file)

    def tick(self) -> float | None:
        """Seal the open file if it is due; return the seconds until it will be."""
        if self._file is None:
            return None
        left = self._opened + self.max_seconds - time.monotonic()
        if left > 0 and self._size < self.max_bytes:
            return left
        self.close()
        return None

    def close(self) -> None:
        """Seal the open file."""
        if self._file is None:
            return
        file, self._file = self._file, None
        try:
            seal(self._path, empty=self._size == 0)
        finally:
            os.close(file)


def recover(left: Path) -> None:
    """Seal a file that a killed process left open, and no other."""
    with contextlib.suppress(OSError):  # locked, gone, not ours, or on a file system without locks
        file = os.open(left, os.O_RDWR | os.O_NOFOLLOW)  # whoever may write here must not name other files
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            complete, status = end_of_last_line(file), os.fstat(file)
            if complete < status.st_size:
                os.ftruncate(file, complete)
                # A tap that has read these lines knows the file by its size, content and time.
                os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))
            os.fsync(file)
            # Another process may have sealed it between the opening and the lock.
            if left.exists():
                seal(left, empty=complete == 0)
        finally:
            os.close(file)


def is_removed(file: int) -> bool:
    """Whether an open file has no name any more, so that what is written to it would be lost."""
    return os.fstat(file).st_nlink == 0


def seal(path: Path, *, empty: bool) -> None:
    """Rename a complete file to its final name; remove an empty one."""
    if empty:
        path.unlink()
    else:
        path.rename(path.with_name(path.name.removesuffix(OPEN_SUFFIX)))
    sync_folder(path.parent)


def write_all(file: int, content: bytes) -> None:
    """Write everything; a full disk may take a part first.

    Raises:
        OSError: Also when the system writes nothing without saying why.
    """
    view = memoryview(content)
    while view:
        written = os.write(file, view)
        if not written:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        view = view[written:]


def sync_folder(folder: Path) -> None:
    """Make the names in a folder survive a power failure."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


class ObjectFiles:
    """Writes each commit as one object; a store has no appending, and an object is complete or not there."""

    def __init__(self, files: Any, root: str, prefix: str) -> None:
        self._files = files
        self._root = root.rstrip("/")
        self._names = Names(prefix)

    def commit(self, lines: bytes, rejects: bytes) -> None:
        """Put the objects and wait for the store's answer.

        Raises:
            OSError: When the store refuses.
        """
        name = self._names.next()
        if rejects:
            self._files.pipe_file(f"{self._root}/{name}{REJECTS_SUFFIX}", rejects)
        if lines:
            self._files.pipe_file(f"{self._root}/{name}", lines)

    def tick(self) -> None:
        """Nothing ever is due."""

    def close(self) -> None:
        """Nothing is open."""
