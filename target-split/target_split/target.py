"""The target: settings in, services built, sinks made."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from typing import Any

from target_split.api.admin import Change
from target_split.audit.passes import LedgerAudit
from target_split.check import check_lines
from target_split.common.audit.target import AuditedTarget
from target_split.common.errors import ConnectorError
from target_split.common.record_paths import MappingError
from target_split.common.target.services import Stream
from target_split.common.target.sink import StreamingSink
from target_split.common.words import counted
from target_split.connection import Connection
from target_split.events.converter import Converter
from target_split.events.delivery import EventDelivery
from target_split.events.event import EventOptions
from target_split.events.seen_types import unseen_warning
from target_split.events.sender import EventSender
from target_split.events.transport import DryRun, HttpTransport, Transport
from target_split.ledger.ledger import Ledger
from target_split.ledger.open_ledger import is_database, open_ledger
from target_split.mapping.segments import SegmentMapping, segment_mapping
from target_split.mapping.sources import Defaults
from target_split.mapping.stream_kind import MEMBER_COLUMNS, MEMBER_STREAM, given_for, kind_of
from target_split.segments.buffer import SegmentBuffer
from target_split.segments.change_buffer import ChangeBuffer
from target_split.segments.history import SegmentHistory
from target_split.segments.sync import Rules, SegmentSync
from target_split.settings import SETTINGS, problems_of
from target_split.sinks import ChangeSink, CohortSink, EventSink, MemberSink

NO_HISTORY_WARNING = (
    "Pushed cohort changes are not remembered beyond this run, because {why}: one that comes late can undo a newer one "
    "of an earlier run. Set 'ledger_path' to a file for the pipeline that loads '{stream}'."
)
NO_LEDGER_WARNING = "Without 'ledger_path' events that are read again, after a crash for example, are posted again."


class TargetSplit(AuditedTarget):
    """Singer target for Split (Harness FME)."""

    audit: LedgerAudit | None

    name = "target-split"
    config_jsonschema = SETTINGS

    def __init__(self, **options: Any) -> None:
        """Set up what all sinks share; nothing is opened or asked before a stream needs it."""
        super().__init__(**options)
        config = self.config
        self._mappings: dict[str, dict[str, Any]] = config["mappings"]
        self._defaults = Defaults(
            config["key"],
            config["traffic_type"],
            config["traffic_types"],
            config["properties"],
            config.get("value"),
            config["segment_name"],
        )
        self._connection = Connection(config, self.services)
        self._converters: list[Converter] = []
        self.audit = LedgerAudit(config, self.services) if config.get("audit_path") else None

    def check_settings(self) -> list[str]:
        """Check what JSON types cannot say."""
        return problems_of(self._config)

    def check(self) -> Iterator[str]:
        """Connect, and say what can be seen; nothing is changed."""
        return check_lines(self.config, self._connection)

    # Streams

    def make_sink(self, stream: Stream) -> StreamingSink:
        """Return the sink of a stream, by its mapping or its columns."""
        with mapping_errors(stream.name):
            return self._sink_of(stream)

    def _sink_of(self, stream: Stream) -> StreamingSink:
        given = given_for(stream.name, self._mappings)
        kind = kind_of(stream.schema, given)
        if self.audit is not None:
            return self._audit_sink(self.audit, stream, given, kind)
        if kind == "event":
            return self._event_sink(stream, given)
        mapping = self._segment_mapping(stream, given, kind)
        self._connection.check_segment_settings()
        self._connection.check_traffic_types(mapping.key.named)
        if kind == "cohort":
            return CohortSink(stream, self.services, mapping, self._segments)
        if kind == "change":
            if not self._remembers_segments:
                self._warn_of_forgetting(stream.name)
            return ChangeSink(stream, self.services, mapping, self._changes)
        if stream.is_incremental and not mapping.is_cohort:
            self._segments.note_incremental(stream.name)
        return MemberSink(stream, self.services, mapping, self._segments)

    def _segment_mapping(self, stream: Stream, given: Mapping[str, Any], kind: str) -> SegmentMapping:
        if kind != "cohort":
            return segment_mapping(stream.schema, given, self._defaults)
        # Segments are called as for the members: an empty cohort has none that could tell.
        schema = {"properties": {name: {} for name in MEMBER_COLUMNS}, "additionalProperties": True}
        with mapping_errors(MEMBER_STREAM):
            return segment_mapping(schema, given_for(MEMBER_STREAM, self._mappings), self._defaults)

    def _audit_sink(self, audit: LedgerAudit, stream: Stream, given: Mapping[str, Any], kind: str) -> StreamingSink:
        if kind != "event":
            raise ConnectorError(
                f"Stream '{stream.name}' is loaded as segments, which cannot be audited: the ledger remembers events. "
                "Deselect it in the tap."
            )
        return audit.new_sink(stream, given, self._event_options)

    def _event_sink(self, stream: Stream, given: Mapping[str, Any]) -> EventSink:
        def truncated(what: str) -> None:
            self.summary.add("records_truncated", 1, what, stream.name)

        def skipped(why: str) -> None:
            self.services.skip(why, stream.name)

        converter = Converter(stream, given, self._event_options, truncated, skipped)
        self._connection.check_traffic_types(converter.traffic_types)
        self._converters.append(converter)
        return EventSink(stream, self.services, converter, self._events.builder(stream.name))

    # Events

    @cached_property
    def _event_options(self) -> EventOptions:
        config = self.config
        place = [config["events_url"].rstrip("/"), config.get("environment") or ""]
        return EventOptions(
            defaults=self._defaults,
            prefix=config["event_type_prefix"],
            max_name_length=config["max_name_length"],
            environment=None if self.audit else self._connection.event_environment,
            join_arrays=config["arrays"] == "join",
            destination=place if config.get("ledger_path") else None,
            skip_own=config["skip_own_events"],
        )

    @cached_property
    def _events(self) -> EventDelivery:
        config, host = self.config, self._connection.events_host
        dry_run = config["dry_run"]
        transport: Transport = DryRun() if dry_run else HttpTransport(host)
        ledger = None if dry_run else self._open_ledger()
        sender = EventSender(transport, ledger, host, self.services, skip_ambiguous=self._skip_ambiguous)
        workers = 1 if dry_run else config["max_parallel_requests"]
        return EventDelivery(sender.deliver, workers, self.services, ledger)

    @property
    def _skip_ambiguous(self) -> bool:
        return bool(self.config["on_ambiguous"] == "skip")

    def _open_ledger(self) -> Ledger | None:
        path = self.config.get("ledger_path")
        if not path:
            self.logger.warning(NO_LEDGER_WARNING)
            return None
        ledger = open_ledger(
            path, self.config["ledger_days"], skip_ambiguous=self._skip_ambiguous, now=self._connection.clock.now
        )
        for leftover in ledger.leftovers:
            self.logger.warning(
                "An earlier run ended while %s of stream '%s' had no answer yet: read again, such events are %s.",
                counted(len(leftover.ids), "event"),
                leftover.stream,
                "skipped" if self._skip_ambiguous else "sent again",
            )
        return ledger

    def _check_event_types(self) -> None:
        made = set().union(*(converter.event_types for converter in self._converters))
        admin = self._connection.admin
        if made and admin is not None and self.config["check_event_types"] and not self.config["dry_run"]:
            warning = unseen_warning(admin, made, self.config["event_type_prefix"])
            if warning:
                self.summary.note(warning)

    # Segments

    @cached_property
    def _sync(self) -> SegmentSync:
        config, connection = self.config, self._connection
        assert connection.admin is not None  # noqa: S101  # the settings were checked
        assert connection.environment is not None  # noqa: S101  # likewise
        rules = Rules(
            Change(config["change_title"], config["change_comment"]),
            config["allow_empty_segments"],
            float(config["max_removal_share"]),
            config["on_approval"],
            config["dry_run"],
        )
        return SegmentSync(
            admin=connection.admin,
            environment=connection.environment,
            rules=rules,
            history=self._history,
            clock=connection.clock,
            services=self.services,
        )

    @property
    def _remembers_segments(self) -> bool:
        """Whether there is a file that remembers segments: beside the ledger, when that is a file."""
        path: str | None = self.config.get("ledger_path")
        return path is not None and not is_database(path)

    def _warn_of_forgetting(self, stream: str) -> None:
        is_kept_elsewhere = bool(self.config.get("ledger_path"))
        why = "a ledger in PostgreSQL holds events alone" if is_kept_elsewhere else "there is no ledger"
        self.summary.note(NO_HISTORY_WARNING.format(why=why, stream=stream))

    @cached_property
    def _history(self) -> SegmentHistory:
        is_kept = self._remembers_segments and not self.config["dry_run"]
        return SegmentHistory(self.config["ledger_path"] if is_kept else None)

    @cached_property
    def _segments(self) -> SegmentBuffer:
        return SegmentBuffer(self._sync, self.services.checkpoints, self.logger)

    @cached_property
    def _changes(self) -> ChangeBuffer:
        return ChangeBuffer(self._sync, self.services.checkpoints, self.logger)

    # The end

    def flush_old(self) -> None:
        """Send what has waited long enough."""
        if "_events" in self.__dict__:
            self._events.flush_old()
        if "_changes" in self.__dict__:
            self._changes.flush_old()

    def deliver_all(self) -> None:
        """Deliver all events, changes and lists."""
        if "_events" in self.__dict__:
            self._events.finish()
            if not self.stopping.is_set():
                self._check_event_types()
        if "_changes" in self.__dict__:
            self._changes.finish()
        if "_segments" in self.__dict__:
            self._segments.finish()
        self._close()

    def give_up(self) -> None:
        """Finish requests that are on their way, so that the ledger knows what became of them."""
        if "_events" in self.__dict__:
            self._events.abort()
        super().give_up()
        self._close()

    def _close(self) -> None:
        if "_history" in self.__dict__:
            self._history.close()
        self._connection.close()


@contextmanager
def mapping_errors(stream: str) -> Iterator[None]:
    """Name the stream whose mapping is malformed."""
    try:
        yield
    except MappingError as error:
        raise ConnectorError(f"Stream '{stream}': {error}") from None
