"""The disk: downloads in unnamed files that vanish with the process, and quarantined rows."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from tap_amplitude.api.client import Download
from tap_amplitude.common.errors import ConnectorError

# Left free for others on the same disk.
RESERVED_BYTES = 1 << 24
# How often free space is checked while an archive of unknown length comes in.
CHECK_BYTES = 1 << 26
# No more rows are quarantined in a run, so that damaged data cannot fill the disk. They are still counted.
MAX_QUARANTINE_BYTES = 1 << 27
DISK_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


class Spool:
    """Where downloads are kept while they are read.

    Args:
        folder: Setting `spool_directory`; made when needed; without one, the system's folder for temporary files.
    """

    def __init__(self, folder: str | None) -> None:
        self.folder = folder or tempfile.gettempdir()
        self._quarantine: Path | None = None
        self._quarantined_bytes = 0

    @contextmanager
    def file(self) -> Iterator[IO[bytes]]:
        """Give an unnamed temporary file; an exception closes, and so removes, it.

        Raises:
            ConnectorError: The folder cannot be written to, or the disk is full.
        """
        try:
            Path(self.folder).mkdir(parents=True, exist_ok=True)
            file = tempfile.TemporaryFile(dir=self.folder)  # noqa: SIM115 - its reader closes it
        except OSError as error:
            raise ConnectorError(
                f"Setting 'spool_directory': no file can be written in {self.folder} ({error.strerror})."
            ) from error
        try:
            with self._room():
                yield file
        except BaseException:
            with suppress(OSError):  # of a full disk: what is still buffered cannot be written, and is not needed
                file.close()
            raise

    def write(self, file: IO[bytes], download: Download) -> None:
        """Write a download to a file of this spool while the disk has room.

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

    @staticmethod
    def fingerprint(file: IO[bytes]) -> str:
        """Return a hash of a whole file."""
        file.seek(0)
        return hashlib.file_digest(file, hashlib.blake2b).hexdigest()  # type: ignore[arg-type]  # a file of tempfile

    def quarantine(self, lines: Iterable[bytes]) -> Path:
        """Append rows that cannot be read to this run's file of such rows; return its path.

        The file is private to its owner (mode 0600), since rows hold personal data, and stays after the run.

        Raises:
            ConnectorError: The disk is full.
        """
        with self._room():
            if self._quarantine is None:
                Path(self.folder).mkdir(parents=True, exist_ok=True)
                handle, path = tempfile.mkstemp(prefix="tap-amplitude-unreadable-", suffix=".jsonl", dir=self.folder)
                os.close(handle)
                self._quarantine = Path(path)
            with self._quarantine.open("a", encoding="utf-8") as file:
                for line in lines:
                    if self._quarantined_bytes + len(line) > MAX_QUARANTINE_BYTES:
                        break
                    self._quarantined_bytes += len(line)
                    file.write(json.dumps({"line": line.decode(errors="replace")}) + "\n")
        return self._quarantine

    @contextmanager
    def _room(self) -> Iterator[None]:
        """Turn a full disk into a message for the user."""
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
