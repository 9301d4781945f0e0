"""An export archive on disk: verified, and read hour by hour without holding any file of it in memory.

It is a zip of gzipped JSON lines, one or more files per hour (https://amplitude.com/docs/apis/analytics/export).
"""

from __future__ import annotations

import re
import zipfile
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from itertools import chain
from typing import IO

from tap_amplitude.api.errors import DamagedDownloadError
from tap_amplitude.common.compression import DAMAGE
from tap_amplitude.export.lines import GZIP_MAGIC, PLAIN_JSON, READ_BYTES, decompressed, whole_lines
from tap_amplitude.export.windows import HOUR, Window, beginning

# `100042/100042_2026-03-14_9#417.json.gz`: project, date, hour without a leading zero, partition.
ENTRY_NAME = re.compile(r"_(?P<date>\d{4}-\d\d-\d\d)(?:_(?P<hour>\d{1,2}))?(?:#\d+)?\.json(?:\.gz)?$")
# What archivers of operating systems add: folders of macOS, files of Finder and Explorer.
COMPANIONS = re.compile(r"(^|/)(__MACOSX/|\._|\.DS_Store$|Thumbs\.db$|desktop\.ini$)", re.IGNORECASE)
ZIP_MAGIC = b"PK\3\4"
BROKEN_ARCHIVE: tuple[type[Exception], ...] = (zipfile.BadZipFile, *DAMAGE, NotImplementedError, RuntimeError)


class DamagedArchiveError(DamagedDownloadError):
    """The body is not a zip, was cut, or one of its files cannot be read."""


class Archive:
    """The archive of a window. Close it once it is read: that frees its disk space.

    Attributes:
        foreign: Names of entries that hold no rows and were left out.

    Raises:
        DamagedArchiveError: It is not a zip.
    """

    def __init__(self, file: IO[bytes], window: Window) -> None:
        self.window = window
        self.foreign: list[str] = []
        self._file = file
        try:
            self._zip = zipfile.ZipFile(file)
        except BROKEN_ARCHIVE as error:
            file.seek(0)
            is_zip = file.read(len(ZIP_MAGIC)) == ZIP_MAGIC
            message = f"the answer is not a zip archive ({beginning_of(file)})"
            # A page of HTML in its place may pass.
            raise DamagedArchiveError(message, may_pass=not is_zip) from error
        self._entries: dict[datetime, list[zipfile.ZipInfo]] = defaultdict(list)
        for entry in self._zip.infolist():
            # An empty file is a marker, as the S3 export of the same pipeline has them.
            if entry.is_dir() or not entry.file_size:
                continue
            if self._holds_rows(entry):
                self._entries[hour_of_entry(entry.filename, window)].append(entry)
            else:
                self.foreign.append(entry.filename)

    def verify(self) -> None:
        """Read everything once: check sums of the zip and of each gzip in it.

        Raises:
            DamagedArchiveError: Something in it cannot be read.
        """
        for entry in chain.from_iterable(self._entries.values()):
            for _ in self._pieces(entry):
                pass

    def hours(self) -> Iterator[tuple[datetime, Iterator[bytes]]]:
        """Yield each hour that holds rows, in order, with blocks of whole lines."""
        for hour in sorted(self._entries):
            yield hour, chain.from_iterable(map(self._blocks, self._entries[hour]))

    def close(self) -> None:
        """Free the disk space."""
        self._zip.close()
        self._file.close()

    def _holds_rows(self, entry: zipfile.ZipInfo) -> bool:
        """Whether an entry is an exported file: by its name, or by its content under any other name."""
        if COMPANIONS.search(entry.filename):
            return False
        if ENTRY_NAME.search(entry.filename):
            return True
        with self._damage_of(entry), self._zip.open(entry) as file:
            head = file.read(READ_BYTES)
        return head.startswith(GZIP_MAGIC) or PLAIN_JSON.match(head) is not None

    def _blocks(self, entry: zipfile.ZipInfo) -> Iterator[bytes]:
        return whole_lines(self._pieces(entry))

    def _pieces(self, entry: zipfile.ZipInfo) -> Iterator[bytes]:
        with self._damage_of(entry), self._zip.open(entry) as file:
            yield from decompressed(file)

    @staticmethod
    @contextmanager
    def _damage_of(entry: zipfile.ZipInfo) -> Iterator[None]:
        try:
            yield
        except BROKEN_ARCHIVE as error:
            raise DamagedArchiveError(f"its file {entry.filename!r} cannot be read ({error})") from error


def hour_of_entry(name: str, window: Window) -> datetime:
    """Return the hour that a file of the archive belongs to, always one within the window.

    Data from before 2014-11-12 is grouped by day: its hour is the first of that day. A name that tells nothing
    belongs to the last hour, so that the bookmark passes it only when its rows are out.
    """
    last = beginning(window.end - HOUR)
    match = ENTRY_NAME.search(name)
    if not match:
        return last
    try:
        day = datetime.fromisoformat(match["date"]).replace(tzinfo=UTC)
    except ValueError:
        return last
    hour = beginning(day + timedelta(hours=int(match["hour"] or 0)))
    return min(max(hour, window.start), last)


def beginning_of(file: IO[bytes]) -> str:
    """Quote how a body begins, for the message about a body that is not an archive."""
    file.seek(0)
    words = " ".join(file.read(200).decode("ascii", "replace").split())
    return f"it begins with {words[:60]!r}" if words.isprintable() and words else "it is cut or damaged"
