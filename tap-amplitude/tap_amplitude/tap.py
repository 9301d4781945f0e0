"""tap-amplitude: its settings, and what is made of them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

from singer_sdk import Stream, Tap
from singer_sdk import typing as th

from tap_amplitude.api.charts import CostBudget
from tap_amplitude.api.client import HOSTS, Client
from tap_amplitude.common.cli import PlainMessages
from tap_amplitude.common.errors import ConnectorError
from tap_amplitude.common.settings import url_problems
from tap_amplitude.common.tap.writer import MessageWriter
from tap_amplitude.export.spool import Spool
from tap_amplitude.export.times import parse_time
from tap_amplitude.export.windows import MAX_WINDOW_HOURS
from tap_amplitude.streams.cohorts import CohortMembersStream, CohortsStream
from tap_amplitude.streams.dashboard import ActiveUsersStream, AverageSessionLengthStream
from tap_amplitude.streams.events import EventsStream
from tap_amplitude.streams.state import EARLIEST, require_state
from tap_amplitude.streams.taxonomy import (
    AnnotationsStream,
    EventCategoriesStream,
    EventPropertiesStream,
    EventsListStream,
    UserPropertiesStream,
)
from tap_amplitude.summary import Summary

STREAMS = (
    EventsStream,
    CohortsStream,
    CohortMembersStream,
    EventsListStream,
    EventCategoriesStream,
    EventPropertiesStream,
    UserPropertiesStream,
    AnnotationsStream,
    ActiveUsersStream,
    AverageSessionLengthStream,
)
# Source: https://amplitude.com/docs/apis/analytics/behavioral-cohorts
COHORTS_PATH = "/api/3/cohorts"
# Amplitude runs 5 requests of a project at a time; one is left for whoever looks at a chart meanwhile.
MAX_PARALLEL_WINDOWS = 4


class TapAmplitude(PlainMessages, Tap):
    """Reads raw events, cohorts with their members, the tracking plan and dashboard figures."""

    name = "tap-amplitude"
    package_name = "split-amplitude-tap-amplitude"
    message_writer_class = MessageWriter
    message_writer: MessageWriter

    config_jsonschema = th.PropertiesList(
        th.Property("api_key", th.StringType, required=True, secret=True, description="API key of the project."),
        th.Property("secret_key", th.StringType, required=True, secret=True, description="Secret key of the project."),
        th.Property(
            "region",
            th.StringType,
            default="us",
            allowed_values=list(HOSTS),
            description="Where the project's data lives.",
        ),
        th.Property("api_url", th.StringType, description="Scheme and host instead of the region's, such as a test's."),
        th.Property(
            "start_date",
            th.DateTimeType,
            description="Read from this time on (inclusive, rounded down to the hour) as long as there is no state."
            " Needed by events, active_users and average_session_length.",
        ),
        th.Property(
            "end_date", th.DateTimeType, description="Read up to this time (exclusive, rounded down to the hour)."
        ),
        th.Property(
            "window_hours",
            th.IntegerType(minimum=1, maximum=MAX_WINDOW_HOURS),
            default=24,
            description="Largest number of hours asked for at once.",
        ),
        th.Property(
            "lag_hours",
            th.IntegerType(minimum=0, maximum=MAX_WINDOW_HOURS),
            default=3,
            description="An hour is read this long after its start; Amplitude completes it within three hours.",
        ),
        th.Property(
            "lookback_hours",
            th.IntegerType(minimum=0, maximum=MAX_WINDOW_HOURS),
            default=0,
            description="Read this many hours before the bookmark once more; the target must merge on `uuid` then.",
        ),
        th.Property(
            "max_parallel_windows",
            th.IntegerType(minimum=1, maximum=MAX_PARALLEL_WINDOWS),
            default=2,
            description="How many windows are downloaded or lie on disk at a time.",
        ),
        th.Property(
            "cohort_ids",
            th.ArrayType(th.StringType),
            default=[],
            description="Read the members of these cohorts only; of all when empty.",
        ),
        th.Property(
            "cohort_user_properties",
            th.ArrayType(th.StringType),
            default=[],
            description='User properties to read with cohort members; ["*"] reads all, which is slow.',
        ),
        th.Property(
            "changed_cohorts_only",
            th.BooleanType,
            default=False,
            description="Read the members of those cohorts only that were computed since they were last read.",
        ),
        th.Property(
            "spool_directory",
            th.StringType,
            description="Folder for archives on their way through; by default the system's for temporary files.",
        ),
    ).to_dict()

    def __init__(self, *, state: Any = None, **options: Any) -> None:
        self.summary = Summary()
        self._refused: list[str] = []
        if isinstance(state, list | int | float | bool):
            require_state(state)
        super().__init__(state=state, **options)

    def check_settings(self) -> list[str]:
        """Return what is wrong with the keys, the address, the dates and the batch settings."""
        config = self._config
        problems = [f"Setting '{name}' is empty." for name in ("api_key", "secret_key") if not config[name].strip()]
        if config.get("api_url"):
            problems += url_problems("api_url", config["api_url"], HOSTS["us"])
        dates: dict[str, datetime] = {}
        for name in ("start_date", "end_date"):
            if config.get(name):
                try:
                    dates[name] = parse_time(config[name])
                except ValueError:
                    problems.append(f"Setting '{name}' is no date or time such as 2026-03-14 or 2026-03-14T09:00:00Z.")
        start, end = dates.get("start_date"), dates.get("end_date")
        if start and end and end <= start:
            problems.append("Setting 'end_date' must be later than 'start_date'.")
        if start and start < EARLIEST:
            problems.append(f"Setting 'start_date' lies before {EARLIEST:%Y}.")
        if start and start > datetime.now(UTC):
            problems.append("Setting 'start_date' lies in the future: there is nothing to read.")
        return problems + batch_problems(config.get("batch_config"))

    def discover_streams(self) -> Sequence[Stream]:
        """Return all streams; what they hold does not depend on the project."""
        return [stream(self) for stream in STREAMS]

    def load_state(self, state: dict[str, Any]) -> None:
        """Take over a state, after a look at its form."""
        require_state(state)
        super().load_state(state)

    def start_of(self, stream: str, bookmark: datetime | None) -> datetime:
        """Return where a stream begins: its bookmark, else `start_date`.

        Raises:
            ConnectorError: There is neither.
        """
        if bookmark is None and not self.config.get("start_date"):
            raise ConnectorError(f"Setting 'start_date' is missing: stream '{stream}' has no state to go on from.")
        return bookmark or parse_time(self.config["start_date"])

    @cached_property
    def client(self) -> Client:
        """Amplitude."""
        region = self.config["region"]
        return Client(
            base_url=self.config.get("api_url") or HOSTS[region],
            api_key=self.config["api_key"],
            secret_key=self.config["secret_key"],
            region=region,
            summary=self.summary,
            logger=self.logger,
            user_agent=f"{self.name}/{self.plugin_version}",
        )

    @cached_property
    def cohorts(self) -> list[dict[str, Any]]:
        """The cohorts as Amplitude lists them, all in one answer; the same list for all streams of a run.

        Raises:
            ConnectorError: They cannot be had.
        """
        answer = self.client.get(COHORTS_PATH, "the list of cohorts", {"includeSyncInfo": "true"})
        listed = answer.get("cohorts") if isinstance(answer, dict) else None
        if not isinstance(listed, list):
            raise ConnectorError("Amplitude's list of cohorts has no member 'cohorts'.")
        return listed

    @cached_property
    def cost_budget(self) -> CostBudget:
        """What was spent of the dashboard's quota."""
        return CostBudget()

    @cached_property
    def spool(self) -> Spool:
        """The disk."""
        return Spool(self.config.get("spool_directory"))

    def refuse(self, stream: str, error: ConnectorError) -> None:
        """Note that a stream may not be read; the others go on, and the run fails at its end."""
        self.logger.error("Stream '%s': %s", stream, error)
        self._refused.append(stream)

    def sync_all(self) -> None:  # type: ignore[misc]  # only framed: nothing the SDK does in it is changed
        """Sync all streams; whatever happens, end with what was written and a summary.

        Raises:
            ConnectorError: A stream could not be read.
        """
        try:
            super().sync_all()
            if self._refused:
                raise ConnectorError(f"These streams could not be read: {', '.join(self._refused)}.")
        except SystemExit:
            self.logger.warning("Stopped by a signal. The last state written is that of all that came before it.")
            raise
        finally:
            self.message_writer.flush()
            self.summary.close(self.logger, self.metrics_logger)

    def stop(self) -> None:
        """End the run; nothing else is safe to do in a signal handler."""
        self.message_writer.exit(self.exit_code)


def batch_problems(batch_config: dict[str, Any] | None) -> list[str]:
    """Return what is wrong with the setting `batch_config`."""
    if not batch_config:
        return []
    encoding, storage = batch_config.get("encoding") or {}, batch_config.get("storage") or {}
    problems = []
    if encoding.get("format") != "jsonl":
        problems.append("Setting 'batch_config.encoding.format' must be jsonl.")
    if not storage.get("root"):
        problems.append("Setting 'batch_config.storage.root' is missing.")
    return problems
