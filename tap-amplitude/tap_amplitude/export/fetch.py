"""From a window to its verified archive on disk."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO

from tap_amplitude.api.client import Download
from tap_amplitude.api.errors import NoDataError, TooLargeError
from tap_amplitude.common.errors import ConnectorError, RetriableError
from tap_amplitude.export.archive import Archive, DamagedArchiveError
from tap_amplitude.export.download import Downloader
from tap_amplitude.export.windows import Window


@dataclass(frozen=True)
class Fetcher:
    """Fetches archives of windows. Safe to call from several threads.

    Attributes:
        downloader: Downloads whole files.
    """

    downloader: Downloader

    def __call__(self, window: Window) -> Archive | None:
        """Return the archive of a window, None when it holds no events.

        Raises:
            TooLargeError: The window must be divided.
            ConnectorError: It cannot be exported.
        """

        def verified(file: IO[bytes], _: Download) -> Archive:
            archive = Archive(file, window)
            archive.verify()
            return archive

        try:
            return self.downloader.whole(f"The archive of {window}", lambda: self._request(window), verified)
        except NoDataError:
            return None
        except DamagedArchiveError as error:
            raise ConnectorError(
                f"Amplitude sent the same damaged archive of {window} twice: {error}. Ask its support to look at these"
                " hours; the bookmark stays before them."
            ) from error

    @contextmanager
    def _request(self, window: Window) -> Iterator[Download]:
        """Request an archive once; a window that cannot be divided is only tried again."""
        try:
            with self.downloader.client.export(window.parameters, f"the events of {window}") as download:
                yield download
        except TooLargeError as error:
            if window.halves() or not error.retriable:
                raise
            raise RetriableError(str(error)) from error
