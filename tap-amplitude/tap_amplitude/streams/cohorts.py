"""Streams `cohorts` and `cohort_members`: the list of cohorts, and who belongs to them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime

from tap_amplitude.api.errors import NotFoundError
from tap_amplitude.api.quota import Downloads, cohort_usage
from tap_amplitude.cohorts.lists import FailedListError
from tap_amplitude.cohorts.selection import Cohort, group_of_members, plain, select_cohorts, version_of
from tap_amplitude.common.errors import ConnectorError
from tap_amplitude.records.schemas import COHORT_MEMBERS, COHORTS
from tap_amplitude.streams.base import AmplitudeStream, Context, Record
from tap_amplitude.streams.state import bookmark_object

HOW_TO_CHOOSE = (
    "Stream 'cohort_members' reads nothing: no cohorts are selected. Set 'cohort_ids' or 'cohort_names' (globs; [\"*\"]"
    " selects all); each cohort costs one of the month's downloads."
)


class CohortsStream(AmplitudeStream):
    """All discoverable cohorts of the project, with the destinations they are synced to."""

    name = "cohorts"
    fields = COHORTS
    keys = ("id",)

    def get_records(self, context: Context) -> Iterable[Record]:
        """Yield the cohorts."""
        return self.services.cohorts.listed


class CohortMembersStream(AmplitudeStream):
    """The members of the selected cohorts, as whole lists.

    A reader knows that a list is complete when `cohort_size` rows of it have come, or at ACTIVATE_VERSION, which
    follows the last member of the last cohort.
    """

    name = "cohort_members"
    fields = COHORT_MEMBERS
    keys = ("cohort_id", "member_id")
    never_null = ("cohort_id", "member_id", "cohort_size")
    counted_as = "cohort_members"
    selected_by_default = False  # each list costs one of the month's downloads
    # The SDK would announce the new version before its first record, and targets would drop the old one too early.
    emit_activate_version_messages = False

    def get_records(self, context: Context) -> Iterable[Record]:
        """Yield the members of the selected cohorts, then announce that the stream is complete.

        Raises:
            ConnectorError: A list could not be read (the others are delivered before that), or the month's downloads
                are used up.
        """
        if not self._globs:
            self.logger.warning(HOW_TO_CHOOSE)
            return
        changed_only = self.config["changed_cohorts_only"]
        if not changed_only:
            self._stream_version = self._initialized_at
        state = bookmark_object(self.name, self.stream_state, "downloads")
        selected, failed = self._select(changed_only=changed_only)
        downloads = Downloads.known(state, cohort_usage(self.services.client) if selected else None, datetime.now(UTC))
        for cohort in selected:
            downloads.spend()
            self.write_state(downloads=downloads.state)
            try:
                yield from self._members_of(cohort)
            except (FailedListError, NotFoundError) as error:
                self.logger.error("%s", error)
                failed.append(cohort["id"])
            else:
                read = self.stream_state.get("cohorts", {}) | {cohort["id"]: version_of(cohort)}
                self.write_state(cohorts=read)
        if failed:
            raise ConnectorError(f"The members of these cohorts could not be read: {', '.join(failed)}.")
        if self._stream_version is not None:
            self._write_activate_version_message(self._stream_version)

    @property
    def _globs(self) -> dict[str, list[str]]:
        """The settings that select cohorts, by the member of a cohort that they are about."""
        globs = {"id": self.config["cohort_ids"], "name": self.config["cohort_names"]}
        return {member: list(value) for member, value in globs.items() if value}

    def _select(self, *, changed_only: bool) -> tuple[list[Cohort], list[str]]:
        """Return the cohorts to read, and the globs that select none."""
        listed = self.services.cohorts.listed
        selected, failed = select_cohorts(listed, self._globs)
        for glob in failed:
            self.logger.error("Amplitude lists no cohort '%s' (settings 'cohort_ids', 'cohort_names').", glob)
        known = {cohort["id"] for cohort in listed}
        state = bookmark_object(self.name, self.stream_state, "cohorts")
        read = {name: version for name, version in state.items() if name in known}
        self.stream_state["cohorts"] = read
        if changed_only:
            selected = [c for c in selected if version_of(c) is None or version_of(c) != plain(read.get(c["id"]))]
        return selected, failed

    def _members_of(self, cohort: Cohort) -> Iterator[Record]:
        wanted = self.config["cohort_user_properties"]
        with self.services.cohorts.members(cohort, wanted) as (size, members):
            for member in members:
                yield {
                    "cohort_id": cohort["id"],
                    "cohort_name": cohort.get("name"),
                    "cohort_size": size,
                    "count_group": group_of_members(cohort, is_group=member.is_group),
                    "member_id": member.member_id,
                    "amplitude_id": member.amplitude_id,
                    "user_id": member.user_id,
                    "user_properties": member.properties if wanted else None,
                }
