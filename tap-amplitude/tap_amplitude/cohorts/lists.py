"""Cohorts: the list of them, and the list of one's members by request, poll and download.

Source: https://amplitude.com/docs/apis/analytics/behavioral-cohorts
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from functools import cached_property
from typing import IO, Any

from tap_amplitude.api.client import Client, Download
from tap_amplitude.api.cohort_csv import Member, MembershipError, members
from tap_amplitude.cohorts.selection import Cohort, count_group
from tap_amplitude.common.errors import ConnectorError, DeadlineError
from tap_amplitude.common.summary import Summary
from tap_amplitude.common.words import counted
from tap_amplitude.export.download import Downloader
from tap_amplitude.export.spool import Spool

LIST_PATH = "/api/3/cohorts"
REQUEST_PATH = "/api/5/cohorts/request/{cohort_id}"
STATUS_PATH = "/api/5/cohorts/request-status/{request_id}"
FILE_PATH = "/api/5/cohorts/request/{request_id}/file"
IN_PROGRESS, COMPLETED = "JOB INPROGRESS", "JOB COMPLETED"
# Small cohorts take up to a minute, the largest have 2,000,000 members.
FIRST_POLL_SECONDS, LONGEST_POLL_SECONDS = 1.0, 15.0
POLL_TIMEOUT_SECONDS = 3600.0
ALL_PROPERTIES = "*"
# A cohort may have changed since its listed size was computed; a list that lacks more than this share is not whole.
MAX_MISSING_SHARE = 0.1


class FailedListError(ConnectorError):
    """The members of one cohort cannot be read; those of others can."""


class Cohorts:
    """Amplitude's cohorts."""

    def __init__(
        self, client: Client, spool: Spool, summary: Summary, logger: logging.Logger, stopping: threading.Event
    ) -> None:
        self._client = client
        self._downloader = Downloader(client, spool)
        self._summary = summary
        self._logger = logger
        self._stopping = stopping

    @cached_property
    def listed(self) -> list[Cohort]:
        """The cohorts, requested once a run; whatever in the list is not a cohort with an id is left out and named.

        Raises:
            ConnectorError: Amplitude does not list them.
        """
        answer = self._client.get(LIST_PATH, "the list of cohorts", {"includeSyncInfo": "true"})
        listed = answer.get("cohorts") if isinstance(answer, dict) else None
        if not isinstance(listed, list):
            raise ConnectorError("Amplitude's list of cohorts has no member 'cohorts'.")
        cohorts = [cohort for cohort in listed if isinstance(cohort, dict) and isinstance(cohort.get("id"), str | int)]
        if len(cohorts) < len(listed):
            self._logger.warning(
                "Amplitude lists %d cohorts without an id; they are skipped.", len(listed) - len(cohorts)
            )
        return [cohort | {"id": str(cohort["id"]), "count_group": count_group(cohort)} for cohort in cohorts]

    @contextmanager
    def members(self, cohort: Cohort, user_properties: Sequence[str]) -> Iterator[tuple[int, Iterator[Member]]]:
        """Request a cohort's list, wait until it is made, download and verify it; yield its size and its rows.

        Args:
            cohort: One of `listed`.
            user_properties: Names of those to read as well; `*` for all.

        Raises:
            FailedListError: Amplitude could not make it, or what it sends is not whole.
            ConnectorError: It cannot be requested.
        """
        what = f"the members of cohort '{cohort['id']}'"
        request_id = self._request(cohort["id"], what, user_properties)
        file, size = self._download(FILE_PATH.format(request_id=request_id), what, cohort.get("size"))
        with closing(file):
            yield size, members(file)

    def _request(self, cohort_id: str, what: str, user_properties: Sequence[str]) -> str:
        """Request a list and wait until it is made; return the request's id."""
        answer = self._client.get(
            REQUEST_PATH.format(cohort_id=cohort_id), what, properties_parameters(list(user_properties))
        )
        request_id = answer.get("request_id") if isinstance(answer, dict) else None
        if not isinstance(request_id, str):
            raise FailedListError(f"Amplitude gave no request_id for {what}.")
        deadline, pause = time.monotonic() + POLL_TIMEOUT_SECONDS, FIRST_POLL_SECONDS
        while time.monotonic() < deadline:
            answer = self._client.get(STATUS_PATH.format(request_id=request_id), what)
            status = answer.get("async_status") if isinstance(answer, dict) else None
            if status == COMPLETED:
                return request_id
            if status != IN_PROGRESS:
                raise FailedListError(f"Amplitude could not list {what}: its job ended as {status!r}.")
            self._summary.progress(lambda: f"Waiting for {what}.")
            self._stopping.wait(pause)
            pause = min(2 * pause, LONGEST_POLL_SECONDS)
        raise FailedListError(f"Amplitude did not list {what} within {POLL_TIMEOUT_SECONDS / 60:.0f} minutes.")

    def _download(self, path: str, what: str, listed_size: Any) -> tuple[IO[bytes], int]:
        """Return a file that holds a whole list, and how many members it has."""

        def verified(file: IO[bytes], download: Download) -> tuple[IO[bytes], int]:
            return file, size_of_whole(file, listed_size, ends_visibly=download.ends_visibly)

        try:
            return self._downloader.whole(f"The file of {what}", lambda: self._client.file(path, what), verified)
        except MembershipError as error:
            raise FailedListError(f"Amplitude sent the same file of {what} twice: {error}.") from error
        except DeadlineError as error:
            raise FailedListError(str(error)) from error


def size_of_whole(file: IO[bytes], listed_size: Any, *, ends_visibly: bool) -> int:
    """Return how many members a downloaded list has, which must be nearly as many as the list of cohorts says.

    A download whose end is not marked may be cut anywhere, so none may be missing from it.

    Raises:
        MembershipError: It is not a list, or rows are missing.
    """
    count = sum(1 for _ in members(file))
    least = listed_size * (1 - MAX_MISSING_SHARE if ends_visibly else 1) if type(listed_size) is int else 0
    if count < least:
        raise MembershipError(f"it has {counted(count, 'member')}, the list of cohorts says {listed_size:,}")
    return count


def properties_parameters(names: list[str]) -> dict[str, Any]:
    """Return the query that requests these user properties."""
    if not names:
        return {"props": "0"}
    return {"props": "1"} if ALL_PROPERTIES in names else {"props": "1", "propKeys": names}
