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

from tap_amplitude.common.compression import DAMAGE
from tap_amplitude.common.errors import ConnectorError
from tap_amplitude.export.lines import READ_BYTES, gunzip, whole_lines
from tap_amplitude.export.windows import HOUR, Window, beginning

# `100042/100042_2026-03-14_9#417.json.gz`: project, date, hour without a leading zero, partition.
ENTRY_NAME = re.compile(r"_(?P<date>\d{4}-\d\d-\d\d)(?:_(?P<hour>\d{1,2}))?(?:#\d+)?\.json\.gz$")
BROKEN_ARCHIVE: tuple[type[Exception], ...] = (zipfile.BadZipFile, *DAMAGE, NotImplementedError, RuntimeError)


class DamagedArchiveError(ConnectorError):
    """The body is no zip, was cut, or one of its files cannot be read. The message says which."""


class Archive:
    """The archive of a window. Close it when it is read; that frees its disk space."""

    def __init__(self, file: IO[bytes], window: Window) -> None:
        self.window = window
        self._file = file
        try:
            self._zip = zipfile.ZipFile(file)
        except BROKEN_ARCHIVE as error:
            raise DamagedArchiveError(f"the answer is no zip archive ({first_words(file)})") from error
        self._entries: dict[datetime, list[zipfile.ZipInfo]] = defaultdict(list)
        for entry in self._zip.infolist():
            # An empty file is a marker, as the S3 export of the same pipeline has them.
            if not entry.is_dir() and entry.file_size:
                self._entries[hour_of_entry(entry.filename, window)].append(entry)

    def verify(self) -> None:
        """Read everything once: check sums of the zip and of each gzip in it.

        Nothing of an archive is handed on before all of it is known to be whole, so that asking for it again never
        repeats a row.

        Raises:
            DamagedArchiveError: Something in it cannot be read.
        """
        for entry in chain.from_iterable(self._entries.values()):
            for _ in self._pieces(entry):
                pass

    def verify_transfer(self) -> None:
        """Check the zip's own sums only: that what was sent has arrived.

        Raises:
            DamagedArchiveError: It has not.
        """
        for entry in chain.from_iterable(self._entries.values()):
            for _ in self.packed(entry):
                pass

    def hours(self) -> Iterator[tuple[datetime, Iterator[bytes]]]:
        """Yield each hour that holds rows, in order, with blocks of whole lines."""
        for hour, entries in self.entries():
            yield hour, chain.from_iterable(map(self._blocks, entries))

    def entries(self) -> Iterator[tuple[datetime, list[zipfile.ZipInfo]]]:
        """Yield each hour that holds rows, in order, with its files."""
        for hour in sorted(self._entries):
            yield hour, self._entries[hour]

    @property
    def packed_bytes(self) -> int:
        """How large all its files are together, as they are."""
        return sum(entry.compress_size for entry in chain.from_iterable(self._entries.values()))

    def packed(self, entry: zipfile.ZipInfo) -> Iterator[bytes]:
        """Yield chunks of a file as it is, packed."""
        with self._damage_of(entry), self._zip.open(entry) as file:
            while chunk := file.read(READ_BYTES):
                yield chunk

    def close(self) -> None:
        """Free the disk space."""
        self._zip.close()
        self._file.close()

    def _blocks(self, entry: zipfile.ZipInfo) -> Iterator[bytes]:
        return whole_lines(self._pieces(entry))

    def _pieces(self, entry: zipfile.ZipInfo) -> Iterator[bytes]:
        with self._damage_of(entry), self._zip.open(entry) as file:
            yield from gunzip(file)

    @staticmethod
    @contextmanager
    def _damage_of(entry: zipfile.ZipInfo) -> Iterator[None]:
        try:
            yield
        except BROKEN_ARCHIVE as error:
            raise DamagedArchiveError(f"its file {entry.filename!r} cannot be read ({error})") from error


def hour_of_entry(name: str, window: Window) -> datetime:
    """Return the hour that a file of the archive belongs to, always one within the window.

    Data from before 2014-11-12 is a whole day's: its hour is the first of that day. A name that tells nothing
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


def first_words(file: IO[bytes]) -> str:
    """Say how a body begins, for the message about a body that is no archive."""
    file.seek(0)
    words = " ".join(file.read(200).decode("ascii", "replace").split())
    return f"it begins with {words[:60]!r}" if words.isprintable() and words else "it is cut or damaged"
