"""Download, spool, verify, retry: for archives of events and lists of members alike."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import IO, TypeVar

from tap_amplitude.api.client import Client, Download
from tap_amplitude.api.errors import DamagedDownloadError, NoDataError, TooLargeError
from tap_amplitude.common.errors import ConnectorError, RetriableError
from tap_amplitude.export.archive import Archive, DamagedArchiveError
from tap_amplitude.export.spool import Spool
from tap_amplitude.export.windows import Window

T = TypeVar("T")


@dataclass(frozen=True)
class Downloader:
    """Downloads to files on disk. Safe to use from several threads."""

    client: Client
    spool: Spool

    def archive(self, window: Window) -> Archive | None:
        """Return the verified archive of a window, None when it holds no events.

        Raises:
            TooLargeError: The window must be divided.
            ConnectorError: It cannot be exported.
        """

        def verified(file: IO[bytes], _: Download) -> Archive:
            archive = Archive(file, window)
            archive.verify()
            return archive

        try:
            return self.whole(f"The archive of {window}", lambda: self._export(window), verified)
        except NoDataError:
            return None
        except DamagedArchiveError as error:
            raise ConnectorError(
                f"Amplitude sent the same damaged archive of {window} twice: {error}. Ask its support to look at these"
                " hours; the bookmark stays before them."
            ) from error

    @contextmanager
    def _export(self, window: Window) -> Iterator[Download]:
        """Request an archive once; a window that cannot be divided is only tried again."""
        try:
            with self.client.export(window.parameters, f"the events of {window}") as download:
                yield download
        except TooLargeError as error:
            if window.halves() or not error.retriable:
                raise
            raise RetriableError(str(error)) from error

    def whole(
        self,
        name: str,
        request: Callable[[], AbstractContextManager[Download]],
        read: Callable[[IO[bytes], Download], T],
    ) -> T:
        """Return what is made of a download that is whole; request it again until it is.

        Nothing of a download is handed on before all of it is known to be whole, so a retry never repeats a row.

        Args:
            name: What is downloaded, for messages.
            request: Requests it once.
            read: Verifies a file, which it may keep, and returns what to make of it; raises `DamagedDownloadError`.

        Raises:
            DamagedDownloadError: The same damaged body came twice.
            DeadlineError: It was not whole in time.
            ConnectorError: It cannot be downloaded.
        """
        damaged = ""

        def attempt() -> T:
            nonlocal damaged
            with self.spool.file() as file:
                try:
                    with request() as download:
                        self.spool.write(file, download)
                    return read(file, download)
                except DamagedDownloadError as error:
                    # A cut that cannot be seen, or another page in place of the body, may pass.
                    is_whole = download.ends_visibly and not error.may_pass
                    fingerprint = self.spool.fingerprint(file) if is_whole else ""
                    if fingerprint and fingerprint == damaged:
                        raise
                    damaged = fingerprint
                    raise RetriableError(f"{name} is damaged: {error}") from error

        return self.client.retry().run(attempt)
