"""One pass over the folder: unread files in order of arrival, downloaded several at a time, each verified and read."""

from __future__ import annotations

import logging
import math
import time
from collections import deque
from collections.abc import Callable, Collection, Iterator, Mapping
from concurrent.futures import Future
from contextlib import closing
from functools import partial
from typing import IO, Any, NamedTuple

from tap_amplitude.common.compression import DAMAGE
from tap_amplitude.common.errors import ConnectorError
from tap_amplitude.common.folder.bookmark import Bookmark
from tap_amplitude.common.folder.comparison import Unread, compare
from tap_amplitude.common.folder.file import File
from tap_amplitude.common.folder.folder import Folder
from tap_amplitude.common.folder.storage import storage_errors
from tap_amplitude.export.lines import GZIP_MAGIC, READ_BYTES, decompressed
from tap_amplitude.export.prefetch import in_thread
from tap_amplitude.export.spool import Spool
from tap_amplitude.files.kinds import Kind, kind_of_content, kind_of_name

# A local file that changed this short a time ago and cannot be read yet is still being written.
SETTLE_SECONDS = 60.0
UNREADABLE: tuple[type[Exception], ...] = (*DAMAGE, PermissionError)


class Opened(NamedTuple):
    """A file that is whole.

    Attributes:
        unread: The file, as the bookmark knows it.
        kind: What it holds.
        content: Its bytes from the beginning, as they are.
    """

    unread: Unread
    kind: Kind
    content: IO[bytes]


class Scan:
    """The files of some kinds that the bookmark has not seen.

    Of each, `wanted` tells whether it is to be read: False passes it, None leaves it for a later run.

    Attributes:
        reading: The bookmark beside a listing of the folder.
        damaged: Names of files that cannot be read; they stay unread.
        files: How many were read.

    Raises:
        ConnectorError: The folder cannot be listed, or the state is not one of this stream.
    """

    def __init__(  # noqa: PLR0913 - what a pass over a folder consists of
        self,
        *,
        config: Mapping[str, Any],
        state: Mapping[str, Any],
        kinds: Collection[Kind],
        wanted: Callable[[File], bool | None],
        spool: Spool,
        logger: logging.Logger | logging.LoggerAdapter[logging.Logger],
    ) -> None:
        self._folder = Folder(config["path"], config.get("storage_options"))
        try:
            bookmark = Bookmark.from_state(dict(state), self._folder.identity, self._folder.root)
        except ValueError as error:
            raise ConnectorError(
                f"The state of the files in {config['path']} is {error}. Correct it, or run without it."
            ) from error
        listing = [file for file in self._folder.listing() if kind_of_name(file.path) in {*kinds, None}]
        self.reading = compare(bookmark, listing)
        self.damaged: list[str] = []
        self.files = 0
        self._kinds, self._wanted, self._spool, self._logger = kinds, wanted, spool, logger
        self._parallel: int = config["max_parallel_windows"]
        self._held_since = math.inf
        self._left: set[str] = set()

    def __iter__(self) -> Iterator[Opened]:
        """Yield the files, open; a file is finished when the next one is taken.

        Raises:
            ConnectorError: The storage fails.
        """
        files = list(self._due())
        following = iter(files)
        waiting: deque[Future[IO[bytes]]] = deque()
        try:
            for position, unread in enumerate(files):
                while len(waiting) < self._parallel and (one := next(following, None)):
                    waiting.append(in_thread(partial(self._open, one.file), f"open {one.file.path}"))
                yield from self._opened(unread, waiting.popleft())
                after = files[position + 1].file.arrived if position + 1 < len(files) else math.inf
                self.reading.advance(min(after, self._held_since), time.time())
        finally:
            for future in waiting:
                future.add_done_callback(close_result)
        if not files:
            self.reading.advance(self._held_since, time.time())

    def lag(self, now: float) -> float:
        """Return the age of the oldest file that stays unread, in seconds; 0 when there is none."""
        return max(0.0, now - self._held_since)

    def _due(self) -> Iterator[Unread]:
        """Yield what is to be read now; pass what is not wanted."""
        for unread in self.reading.unread:
            wanted = self._wanted(unread.file)
            if wanted:
                yield unread
            elif wanted is None:
                self._hold(unread.file)
            else:
                self.reading.finish(unread)

    def _opened(self, unread: Unread, future: Future[IO[bytes]]) -> Iterator[Opened]:
        name = unread.file.path
        try:
            content = verified(future.result())
        except FileNotFoundError:
            self._logger.warning("%s was removed before it was read.", name)
            return
        except UNREADABLE as error:
            self.leave(unread.file, error)
            return
        except storage_errors() as error:
            raise ConnectorError(f"{name} could not be read ({type(error).__name__}). Run again.") from error
        with closing(content):
            kind = kind_of_name(name) or kind_of_content(content)
            if kind in self._kinds:
                self.files += 1
                yield Opened(unread, kind, content)
                if name in self._left:
                    return
            elif kind is Kind.NOTHING and unread.file.size and not name.endswith("_complete.json.gz"):
                self._logger.warning("%s holds nothing that Amplitude writes; it is skipped.", name)
        self.reading.finish(unread)

    def leave(self, file: File, error: Exception) -> None:
        """Leave a file unread that cannot be read now."""
        self._hold(file)
        self._left.add(file.path)
        if self._folder.local and 0 <= time.time() - file.modified < SETTLE_SECONDS:
            self._logger.info("%s is still being written; the next run will read it.", file.path)
            return
        why = "access is denied" if isinstance(error, PermissionError) else f"it is damaged: {error}"
        self._logger.error("%s cannot be read (%s). It stays unread.", file.path, why)
        self.damaged.append(file.path)

    def _hold(self, file: File) -> None:
        self._held_since = min(self._held_since, file.arrived)

    def _open(self, file: File) -> IO[bytes]:
        """Return a file on this disk, downloaded when it is not. Runs in threads."""
        content = self._folder.open(file)
        if self._folder.local and content.seekable():
            return content
        with closing(content), self._spool.file() as spooled:
            while chunk := content.read(READ_BYTES):
                spooled.write(chunk)
            return spooled


def verified(content: IO[bytes]) -> IO[bytes]:
    """Return a file that is whole, at its beginning; one that is not is closed.

    It is decompressed for that, and once more when it is read: to keep what was decompressed on disk takes about as
    long, and 14 times the space. Threads save nothing here, as they and the reader would wait for each other at each
    piece.

    Raises:
        compression.DAMAGE: Its check sum is wrong, or it ends too early.
    """
    try:
        content.seek(0)
        if content.read(len(GZIP_MAGIC)) == GZIP_MAGIC:
            content.seek(0)
            for _ in decompressed(content):
                pass
        content.seek(0)
    except BaseException:
        content.close()
        raise
    return content


def close_result(future: Future[IO[bytes]]) -> None:
    """Close a file that is not going to be read."""
    if not future.exception():
        future.result().close()
