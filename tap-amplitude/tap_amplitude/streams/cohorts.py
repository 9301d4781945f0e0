"""Streams `cohorts` and `cohort_members`: the list of cohorts, and who belongs to them."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from typing import IO, Any

from tap_amplitude.api.client import Download, LastingError
from tap_amplitude.api.cohort_csv import MembershipError, members
from tap_amplitude.api.errors import NotFoundError, PassingError
from tap_amplitude.common.errors import ConnectorError
from tap_amplitude.streams.base import AmplitudeStream, Context, Record
from tap_amplitude.streams.schemas import COHORT_MEMBERS, COHORTS
from tap_amplitude.streams.state import bookmark_object

# Sources: https://amplitude.com/docs/apis/analytics/behavioral-cohorts
REQUEST_PATH = "/api/5/cohorts/request/{cohort_id}"
STATUS_PATH = "/api/5/cohorts/request-status/{request_id}"
FILE_PATH = "/api/5/cohorts/request/{request_id}/file"
IN_PROGRESS, COMPLETED = "JOB INPROGRESS", "JOB COMPLETED"
MONTHLY_DOWNLOADS = 500
# Small cohorts take up to a minute, the largest have 2,000,000 members.
FIRST_POLL_SECONDS, LONGEST_POLL_SECONDS = 1.0, 15.0
POLL_RETRY_TIMEOUT_SECONDS = 3600.0
ALL_PROPERTIES = "*"


class CohortsStream(AmplitudeStream):
    """All discoverable cohorts of the project, with where they are synced to."""

    name = "cohorts"
    fields = COHORTS
    keys = ("id",)

    def get_records(self, context: Context) -> Iterable[Record]:  # noqa: ARG002
        """Yield the cohorts."""
        return self.tap.cohorts


class CohortMembersStream(AmplitudeStream):
    """The members of each cohort, as whole lists.

    A reader knows that a list is complete when `cohort_size` rows of it have come, or at ACTIVATE_VERSION, which
    follows the last member of the last cohort.
    """

    name = "cohort_members"
    fields = COHORT_MEMBERS
    keys = ("cohort_id", "amplitude_id")
    never_null = ("cohort_id", "cohort_size")  # group cohorts have no amplitude ids
    counted_as = "cohort_members"
    # The SDK would announce the new version before its first record, and targets would drop the old one too early.
    emit_activate_version_messages = False

    def get_records(self, context: Context) -> Iterable[Record]:  # noqa: ARG002
        """Yield the members of the chosen cohorts, then announce that the stream is complete.

        Raises:
            ConnectorError: A list could not be had (the others are delivered before that), or the month's downloads
                are used up.
        """
        changed_only = self.config["changed_cohorts_only"]
        if not changed_only:
            self._stream_version = self._initialized_at
        failed: list[str] = []
        for cohort in self._chosen(failed, changed_only=changed_only):
            self._count_download()
            try:
                yield from self._members_of(cohort)
            except (FailedListError, NotFoundError) as error:
                self.logger.error("%s", error)  # noqa: TRY400 - a sentence, not a fault of this program
                failed.append(cohort["id"])
            else:
                read = self.stream_state.get("cohorts", {}) | {cohort["id"]: cohort.get("lastComputed")}
                self.write_state(cohorts=read)
        if failed:
            raise ConnectorError(f"The members of these cohorts could not be read: {', '.join(failed)}.")
        if self._stream_version is not None:
            self._write_activate_version_message(self._stream_version)

    def _chosen(self, failed: list[str], *, changed_only: bool) -> list[Record]:
        """Return the cohorts to read; ids that were asked for but are not listed go to `failed`."""
        listed = {str(cohort.get("id")): cohort for cohort in self.tap.cohorts}
        wanted = self.config["cohort_ids"] or list(listed)
        for cohort_id in wanted:
            if cohort_id not in listed:
                self.logger.error("Setting 'cohort_ids': Amplitude lists no cohort '%s'. Is it published?", cohort_id)
                failed.append(cohort_id)
        state = bookmark_object(self.name, self.stream_state, "cohorts")
        read = {name: time for name, time in state.items() if name in listed}
        self.stream_state["cohorts"] = read
        chosen = [listed[cohort_id] for cohort_id in wanted if cohort_id in listed]
        if not changed_only:
            return chosen
        return [c for c in chosen if c.get("lastComputed") is None or c["lastComputed"] != read.get(c["id"])]

    def _count_download(self) -> None:
        """Count a download of this month; the state remembers it.

        Raises:
            ConnectorError: There are no more this month.
        """
        month = f"{datetime.now(UTC):%Y-%m}"
        spent = bookmark_object(self.name, self.stream_state, "downloads")
        count = spent.get("count", 0) if spent.get("month") == month else 0
        if count >= MONTHLY_DOWNLOADS:
            raise ConnectorError(
                f"All {MONTHLY_DOWNLOADS} downloads of cohorts that Amplitude allows in a month are used up; they"
                " come back on the 1st (UTC). Set 'changed_cohorts_only' or 'cohort_ids', or run this less often."
            )
        self.write_state(downloads={"month": month, "count": count + 1})

    def _members_of(self, cohort: Record) -> Iterator[Record]:
        """Download a cohort's list and yield its members.

        Raises:
            FailedListError: It could not be had.
        """
        what = f"the members of cohort '{cohort['id']}'"
        path = FILE_PATH.format(request_id=self._await_list(cohort["id"], what))
        with self.tap.spool.file() as file, closing(file):

            def keep(download: Download) -> int:
                self.tap.spool.write(file, download)
                return count_members(file, what, None if download.ends_visibly else cohort.get("size"))

            try:
                size = self.tap.client.patiently(lambda: self.tap.client.file(path, what, keep))
            except LastingError as error:
                raise FailedListError(str(error)) from error
            for member in members(file):
                yield {
                    "cohort_id": cohort["id"],
                    "cohort_name": cohort.get("name"),
                    "cohort_size": size,
                    "amplitude_id": member.amplitude_id,
                    "user_id": member.user_id,
                    "user_properties": member.properties if self.config["cohort_user_properties"] else None,
                }

    def _await_list(self, cohort_id: str, what: str) -> str:
        """Ask for a cohort's list and wait until it is made; return the request's id.

        Raises:
            FailedListError: Amplitude could not make it, or not in time.
        """
        client, parameters = self.tap.client, properties_parameters(self.config["cohort_user_properties"])
        answer = client.get(REQUEST_PATH.format(cohort_id=cohort_id), what, parameters)
        request_id = answer.get("request_id") if isinstance(answer, dict) else None
        if not isinstance(request_id, str):
            raise FailedListError(f"Amplitude gave no request_id for {what}.")
        deadline, pause = time.monotonic() + POLL_RETRY_TIMEOUT_SECONDS, FIRST_POLL_SECONDS
        while time.monotonic() < deadline:
            answer = client.get(STATUS_PATH.format(request_id=request_id), what)
            status = answer.get("async_status") if isinstance(answer, dict) else None
            if status == COMPLETED:
                return request_id
            if status != IN_PROGRESS:
                raise FailedListError(f"Amplitude could not make {what}: its job ended as {status!r}.")
            self.tap.summary.progress(self.logger, lambda: f"Waiting for {what}.")
            time.sleep(pause)
            pause = min(2 * pause, LONGEST_POLL_SECONDS)
        raise FailedListError(f"Amplitude did not make {what} within {POLL_RETRY_TIMEOUT_SECONDS / 60:.0f} minutes.")


class FailedListError(ConnectorError):
    """The members of one cohort cannot be had; those of others can."""


def properties_parameters(names: list[str]) -> dict[str, Any]:
    """Return the query that asks for these user properties."""
    if not names:
        return {"props": "0"}
    return {"props": "1"} if ALL_PROPERTIES in names else {"props": "1", "propKeys": names}


def count_members(file: IO[bytes], what: str, least: int | None) -> int:
    """Return how many members a downloaded list holds.

    Args:
        file: The download.
        what: What was asked for, in words.
        least: Members it must hold at least, when its end was not marked and it might be cut.

    Raises:
        PassingError: It is no list or was cut.
    """
    try:
        count = sum(1 for _ in members(file))
    except MembershipError as error:
        raise PassingError(f"The file of {what} cannot be read: {error}.") from error
    if least is not None and count < least:
        raise PassingError(f"The file of {what} has {count:,} members instead of {least:,}: it was cut.")
    return count
