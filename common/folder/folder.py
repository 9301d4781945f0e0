"""The files of a folder, local or in an object store: listed, identified and opened through fsspec."""

from __future__ import annotations

import fcntl
import io
import math
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from itertools import accumulate
from pathlib import Path
from typing import IO, Any

from ..errors import ConnectorError
from .file import OPEN_SUFFIX, File, identity_of, is_data
from .storage import locate, storage_failures

PREFETCH_FILES, PREFETCH_BYTES = 64, 8 * 1024 * 1024  # of small objects that are fetched together

PIECES, PIECE_BYTES = 16, 64 * 1024  # of a file, evenly spread, which identify its content

# The names under which the file systems list the time of the last change.
MODIFIED_NAMES = ("LastModified", "last_modified", "updated", "mtime", "created", "modified")


class Folder:
    """A local folder or a prefix of an object store.

    Args:
        path: A local path or a URL (`s3://bucket/prefix`, `gs://…`, `abfs://…`).
        options: Options of the fsspec file system, such as `{"endpoint_url": …}` for S3.
        ignore: Globs of files to leave alone.
    """

    def __init__(self, path: str, options: Mapping[str, Any] | None = None, ignore: Iterable[str] = ()) -> None:
        self.path = path
        self.files, self.root, self.local = locate(path, options)
        self._ignore = tuple(ignore)
        self._prefetched: dict[str, bytes] = {}

    def listing(self) -> list[File]:
        """Return the data files now in the folder and below it.

        What a killed receiver left open is among them, up to its last complete line: nobody was told that more is
        stored.

        Raises:
            ConnectorError: The folder does not exist or may not be read.
        """
        with storage_failures(self.path):
            if self.local and not self.files.isdir(self.root):
                raise ConnectorError(f"Setting 'path': there is no folder {self.path}.")
            # By default the local file system would leave out a folder that it may not read.
            found = self.files.find(self.root, detail=True, **({"on_error": "raise"} if self.local else {}))
        paths = {path[len(self.root) :].lstrip("/"): info for path, info in found.items()}
        files = [self._file(path, info) for path, info in paths.items() if is_data(path, self._ignore)]
        if self.local:
            left = (path for path in paths if is_data(path.removesuffix(OPEN_SUFFIX), self._ignore))
            files += [self._left_open(path) for path in left if path.endswith(OPEN_SUFFIX)]
        return [file for file in files if file]

    def full_path(self, file: File) -> str:
        """Return a file's path as the file system writes it."""
        return f"{self.root.rstrip('/')}/{file.path}"

    def _file(self, path: str, info: Mapping[str, Any]) -> File | None:
        size = info["size"] or 0
        if self.local:
            return local_file(path, Path(info["name"]), size)
        modified = moment(next(info[name] for name in MODIFIED_NAMES if info.get(name) is not None))
        return File(path, size, modified, modified, info.get("ETag") or info.get("md5Hash"))

    def _left_open(self, path: str) -> File | None:
        """Return a file whose receiver was killed; None while a receiver holds the lock on it."""
        name = Path(self.root, path)
        try:
            with name.open("rb") as stream:
                fcntl.flock(stream, fcntl.LOCK_SH | fcntl.LOCK_NB)
                size = end_of_last_line(stream.fileno())
        except OSError:  # locked, gone, not ours, or on a file system without locks
            return None
        return local_file(path, name, size) if size else None

    def identity(self, file: File) -> bytes:
        """Return what identifies a file's content, as far as that is cheap.

        An object store lists a checksum. Of a local file it is size and content, in pieces if it is large. Elsewhere
        it is name, size and time.
        """
        if file.content:
            return identity_of(file.size, file.content)
        if not self.local:
            return identity_of(file.path, file.size, file.modified)
        try:
            with Path(self.full_path(file)).open("rb") as stream:
                return identity_of(file.size, *pieces_of(stream, file.size))
        except OSError:
            # Reading it will fail as well, and say why.
            return identity_of(file.path, file.size, file.modified)

    def open(self, file: File) -> IO[bytes]:
        """Open a file for reading bytes."""
        if file.path in self._prefetched:
            return io.BytesIO(self._prefetched.pop(file.path))
        stream: IO[bytes] = self.files.open(self.full_path(file), "rb")
        return Head(stream, file.size) if file.path.endswith(OPEN_SUFFIX) else stream  # type: ignore[return-value]  # a raw stream reads alike

    def prefetch(self, files: Sequence[File]) -> None:
        """Download the next small objects together: each alone takes as long as a large one takes to begin.

        Args:
            files: The files that will be opened next, in that order.
        """
        if self.local or not files or files[0].path in self._prefetched:
            return
        sizes = accumulate(file.size for file in files[:PREFETCH_FILES])
        small = [file for file, size in zip(files, sizes, strict=False) if size <= PREFETCH_BYTES]
        if len(small) > 1:
            answers = self.files.cat([self.full_path(file) for file in small], on_error="return")
            # What failed is opened on its own, and fails there.
            self._prefetched = {
                file.path: answer for file in small if isinstance(answer := answers.get(self.full_path(file)), bytes)
            }


class Head(io.RawIOBase):
    """The first `size` bytes of a stream."""

    def __init__(self, stream: IO[bytes], size: int) -> None:
        self._stream = stream
        self._left = size

    def readable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Read the next bytes."""
        content = self._stream.read(min(len(buffer), self._left))
        buffer[: len(content)] = content
        self._left -= len(content)
        return len(content)

    def close(self) -> None:
        """Close the stream."""
        self._stream.close()
        super().close()


def local_file(path: str, name: Path, size: int) -> File | None:
    """Return a file on a local disk, or None when it is gone (or a link to nothing).

    Args:
        path: Its path below the folder.
        name: Its full path.
        size: Its size in bytes.
    """
    try:
        status, link = name.stat(), name.lstat()
        directory = name.parent.stat().st_ino
    except FileNotFoundError:
        return None
    # The change time of the inode: unlike the modification time no program can set it.
    arrived = max(status.st_ctime, link.st_ctime)
    return File(path, size, arrived, status.st_mtime, inode=status.st_ino, directory=directory)


def end_of_last_line(file: int, step: int = 1 << 16) -> int:
    """Return how many bytes of a file (a descriptor) are complete lines."""
    position = os.fstat(file).st_size
    while position > 0:
        start = max(position - step, 0)
        found = os.pread(file, position - start, start).rfind(b"\n")
        if found >= 0:
            return start + found + 1
        position = start
    return 0


def pieces_of(stream: IO[bytes], size: int) -> Iterator[bytes]:
    """Yield a file's beginning, its end, and pieces between them; a small file's pieces are all of it."""
    step = max(PIECE_BYTES, math.ceil((size - PIECE_BYTES) / (PIECES - 1)))
    for start in range(0, size, step):
        stream.seek(start)
        yield stream.read(min(PIECE_BYTES, size - start))


def moment(value: Any) -> float:
    """Return a listing's time as seconds since 1970."""
    if isinstance(value, str):
        value = datetime.fromisoformat(value)
    if isinstance(value, datetime):
        return (value if value.tzinfo else value.replace(tzinfo=UTC)).timestamp()
    return float(value)
