"""Download, spool, verify, retry: for archives of events and lists of members alike."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import IO, TypeVar

from tap_amplitude.api.client import Client, Download
from tap_amplitude.api.errors import DamagedDownloadError
from tap_amplitude.common.errors import RetriableError
from tap_amplitude.export.spool import Spool

T = TypeVar("T")


@dataclass(frozen=True)
class Downloader:
    """Downloads to files on disk. Safe to use from several threads.

    Attributes:
        client: Amplitude.
        spool: The disk.
    """

    client: Client
    spool: Spool

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
