"""The disk: archives on their way through, in unnamed files that vanish with the process, and rows kept aside."""

from __future__ import annotations

import errno
import json
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from tap_amplitude.api.client import Download
from tap_amplitude.common.errors import ConnectorError

# Left free for others on the same disk.
RESERVED_BYTES = 1 << 24
# How often the free space is looked at while an archive of unknown length comes in.
CHECK_BYTES = 1 << 26
DISK_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


class Spool:
    """Where downloads are kept while they are read.

    Args:
        folder: Setting `spool_directory`; made when needed; without one, the system's folder for temporary files.
    """

    def __init__(self, folder: str | None) -> None:
        self.folder = folder or tempfile.gettempdir()
        self._aside: Path | None = None

    @contextmanager
    def file(self) -> Iterator[IO[bytes]]:
        """Give an unnamed temporary file, closed (and so removed) when anything goes wrong with it.

        Raises:
            ConnectorError: The folder cannot be written to, or the disk is full.
        """
        try:
            Path(self.folder).mkdir(parents=True, exist_ok=True)
            file = tempfile.TemporaryFile(dir=self.folder)  # noqa: SIM115 - whoever reads it closes it
        except OSError as error:
            raise ConnectorError(
                f"Setting 'spool_directory': no file can be written in {self.folder} ({error.strerror})."
            ) from error
        try:
            with self._room():
                yield file
        except BaseException:
            file.close()
            raise

    def write(self, file: IO[bytes], download: Download) -> None:
        """Write a download to a file of this spool from its beginning, as long as the disk has room for it.

        Raises:
            ConnectorError: The disk is too full.
        """
        self._require(download.length or 0)
        file.seek(0)
        file.truncate()
        unchecked = 0
        for chunk in download.chunks:
            file.write(chunk)
            unchecked += len(chunk)
            if unchecked >= CHECK_BYTES:
                self._require(0)
                unchecked = 0
        file.flush()

    def keep_aside(self, lines: Iterable[bytes]) -> Path:
        """Append rows that cannot be read to this run's file of such rows; return its path.

        It is readable by its owner alone (mode 0600), for rows hold personal data. It stays after the run.

        Raises:
            ConnectorError: The disk is full.
        """
        with self._room():
            if self._aside is None:
                handle, path = tempfile.mkstemp(prefix="tap-amplitude-unreadable-", suffix=".jsonl", dir=self.folder)
                os.close(handle)
                self._aside = Path(path)
            with self._aside.open("a", encoding="utf-8") as file:
                file.writelines(json.dumps({"line": line.decode(errors="replace")}) + "\n" for line in lines)
        return self._aside

    @contextmanager
    def _room(self) -> Iterator[None]:
        """Say in a sentence that the disk is full, should it be."""
        try:
            yield
        except OSError as error:
            if error.errno in DISK_FULL:
                raise self._full() from error
            raise

    def _require(self, wanted_bytes: int) -> None:
        if shutil.disk_usage(self.folder).free < wanted_bytes + RESERVED_BYTES:
            raise self._full()

    def _full(self) -> ConnectorError:
        free = shutil.disk_usage(self.folder).free / 1e6
        return ConnectorError(
            f"The disk is full: {free:,.0f} MB are free in {self.folder}, too little for the download. Set"
            " 'spool_directory' to a folder on a larger disk, or lower 'window_hours' or 'max_parallel_windows'."
        )
