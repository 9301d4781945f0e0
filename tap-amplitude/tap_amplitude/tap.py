"""tap-amplitude: settings in, services and streams out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Any

from singer_sdk import Stream
from singer_sdk import typing as th

from tap_amplitude import settings
from tap_amplitude.api.client import HOSTS, Account, Client
from tap_amplitude.check import check
from tap_amplitude.cohorts.lists import Cohorts
from tap_amplitude.common.errors import ConnectorError
from tap_amplitude.common.summary import Phrase, Summary
from tap_amplitude.common.tap.tap import PlainTap
from tap_amplitude.common.tap.writer import MessageWriter
from tap_amplitude.export.spool import Spool
from tap_amplitude.streams.base import AmplitudeStream, Services
from tap_amplitude.streams.changes import CohortChangesStream
from tap_amplitude.streams.cohorts import CohortMembersStream, CohortsStream
from tap_amplitude.streams.dashboard import ActiveUsersStream, AverageSessionLengthStream
from tap_amplitude.streams.events import EventsStream
from tap_amplitude.streams.files import FileEventsStream, MergedIdsStream
from tap_amplitude.streams.state import require_state
from tap_amplitude.streams.taxonomy import (
    AnnotationsStream,
    EventCategoriesStream,
    EventPropertiesStream,
    EventsListStream,
    UserPropertiesStream,
)

STREAMS: tuple[type[AmplitudeStream], ...] = (
    CohortsStream,
    CohortMembersStream,
    EventsListStream,
    EventCategoriesStream,
    EventPropertiesStream,
    UserPropertiesStream,
    AnnotationsStream,
    ActiveUsersStream,
    AverageSessionLengthStream,
    MergedIdsStream,
    CohortChangesStream,
)


def unless_zero(metric: str, words: str) -> Phrase:
    """Return a phrase of the closing summary that is left out at zero; `record_count` of the SDK is its metric."""
    return Phrase(metric, words, is_said_at_zero=False, is_metric=False)


PHRASES = (
    unless_zero("events", "events"),
    unless_zero("hours", "hours with events"),
    unless_zero("empty_windows", "windows without events"),
    unless_zero("files", "files"),
    unless_zero("cohort_members", "cohort members"),
    unless_zero("cohort_changes", "cohort changes"),
    unless_zero("other_records", "other records"),
    Phrase("records_skipped", "skipped"),
    Phrase("values_nulled", "values of a wrong type made null"),
    Phrase("http_request_count", "requests", one="request"),
    Phrase("http_retry_count", "retries", one="retry"),
    Phrase("bytes_received", "bytes", one="byte"),
)


class TapAmplitude(PlainTap):
    """Reads raw events, cohorts with their members, the taxonomy and dashboard figures."""

    name = "tap-amplitude"
    package_name = "split-amplitude-tap-amplitude"
    message_writer_class = MessageWriter
    message_writer: MessageWriter
    config_jsonschema = th.PropertiesList(*settings.PROPERTIES).to_dict()

    def check_settings(self) -> list[str]:
        """Return what is wrong with the settings."""
        return settings.problems(self._config)

    def discover_streams(self) -> Sequence[Stream]:
        """Return all streams; what they hold does not depend on the project."""
        events = FileEventsStream if self.config.get("path") else EventsStream
        return [stream(self, self.services) for stream in (events, *STREAMS)]

    def load_state(self, state: dict[str, Any]) -> None:
        """Take over a state, after a look at its form."""
        require_state(state)
        super().load_state(state)

    @cached_property
    def services(self) -> Services:
        """What the streams work with, made before any thread runs."""
        summary, spool = self._summary(), Spool(self.config.get("spool_directory"))
        client = self._client(self.config["region"], summary)
        cohorts = Cohorts(client, spool, summary, self.logger, self.stopping)
        return Services(client, cohorts, spool, self.message_writer, summary, self.stopping)

    def _summary(self) -> Summary:
        return Summary(self.logger, self.metrics_logger, PHRASES)

    def _client(self, region: str, summary: Summary) -> Client:
        account = Account(
            base_url=(self.config.get("api_url") or HOSTS[region]).rstrip("/"),
            api_key=self.config.get("api_key", ""),  # `--discover` needs neither key
            secret_key=self.config.get("secret_key", ""),
            region=region,
        )
        return Client(
            account,
            summary=summary,
            logger=self.logger,
            stopping=self.stopping,
            user_agent=f"{self.name}/{self.plugin_version}",
            retry_timeout_seconds=self.config["retry_timeout_seconds"],
        )

    def check(self) -> Iterator[str]:
        """Yield what `--check` prints."""
        others = [] if self.config.get("api_url") else [region for region in HOSTS if region != self.config["region"]]
        yield from check(
            self.services, self.config, {region: self._client(region, self._summary()) for region in others}
        )

    def sync_all(self) -> None:  # type: ignore[misc]  # only framed: nothing the SDK does in it is changed
        """Sync all streams; whatever happens, end with what was written and a summary.

        Raises:
            ConnectorError: A stream could not be read.
        """
        failed = True
        try:
            super().sync_all()
            if refused := self.services.refused:
                raise ConnectorError(f"These streams could not be read completely: {', '.join(refused)}.")
            failed = False
        except SystemExit:
            self.logger.warning("Stopped by a signal. The last STATE covers everything written before it.")
            raise
        finally:
            self.message_writer.flush()
            self.services.summary.close(failed=failed)

    def stop(self) -> None:
        """End the run; nothing else is safe to do in a signal handler."""
        self.message_writer.exit(self.exit_code)
