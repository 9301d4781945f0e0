"""From a window to its verified archive on disk."""

from __future__ import annotations

from dataclasses import dataclass

from tap_amplitude.api.client import Client
from tap_amplitude.api.errors import NoDataError, TooLargeError
from tap_amplitude.common.errors import ConnectorError, RetriableError
from tap_amplitude.export.archive import Archive, DamagedArchiveError
from tap_amplitude.export.spool import Spool
from tap_amplitude.export.windows import Window


@dataclass(frozen=True)
class Fetcher:
    """Fetches archives of windows. Safe to call from several threads.

    Attributes:
        client: Amplitude.
        spool: The disk.
    """

    client: Client
    spool: Spool

    def __call__(self, window: Window) -> Archive | None:
        """Download, spool, verify, retry: return the archive of a window, None when it holds no events.

        Nothing of an archive is handed on before all of it is known to be whole, so a retry never repeats a row.

        Raises:
            TooLargeError: The window must be divided.
            ConnectorError: It cannot be exported.
        """
        what = f"the events of {window}"
        retry, damaged = self.client.retry(), ""
        while True:
            with self.spool.file() as file:
                try:
                    with self.client.export(window.parameters, what) as download:
                        self.spool.write(file, download)
                    archive = Archive(file, window)
                    archive.verify()
                except NoDataError:
                    file.close()
                    return None
                except TooLargeError as error:
                    if window.halves() or not error.retriable:
                        raise
                    failure = RetriableError(str(error))
                except DamagedArchiveError as error:
                    # A cut that cannot be seen, or another page in place of the archive, may pass.
                    fingerprint = self.spool.fingerprint(file) if error.is_zip and download.ends_visibly else ""
                    if fingerprint and fingerprint == damaged:
                        raise ConnectorError(
                            f"Amplitude sent the same damaged archive of {window} twice: {error}. Ask its support to"
                            " look at these hours; the bookmark stays before them."
                        ) from error
                    damaged = fingerprint
                    failure = RetriableError(f"The archive of {window} is damaged: {error}")
                except RetriableError as error:
                    failure = error
                else:
                    return archive
                file.close()
            retry.wait(str(failure), failure.retry_after, timeout_seconds=failure.timeout_seconds)
