"""Takes the records of one stream: makes events or identifications of them and hands those to delivery."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from target_amplitude.api.coerce import clean_properties, is_plain
from target_amplitude.api.limits import MAX_TEXT
from target_amplitude.api.outcomes import Rejected, Skipped
from target_amplitude.common.record_paths import filter_test
from target_amplitude.common.target.columns import column_types
from target_amplitude.common.target.delivery import Origin
from target_amplitude.common.target.services import Services, Stream
from target_amplitude.common.target.sink import StreamingSink
from target_amplitude.delivery.pipeline import Pipeline
from target_amplitude.mapping.grammar import LoadSettings
from target_amplitude.payloads import readers
from target_amplitude.payloads.columns import needed_columns
from target_amplitude.payloads.event import EventReader
from target_amplitude.payloads.identification import FlagIdentifications, identification_reader
from target_amplitude.payloads.identity import IdReader, ImpressionIdReader
from target_amplitude.payloads.impressions import MAX_EXPOSED_FLAGS
from target_amplitude.payloads.plan import StreamPlan, quoted
from target_amplitude.payloads.quick import QuickFlags, QuickImpressions

NO_TIMES_WARNING = (
    "Without 'property_times_path' an older value of a user property that a later run reads overwrites a newer one."
)

_encode = msgspec.json.Encoder().encode


@dataclass(frozen=True)
class Loading:
    """What a sink needs to load a stream.

    Attributes:
        plan: What the records become.
        changes: Reasons for which values of the record at hand were changed; the plan's readers add to it.
        pipeline: Takes the payloads.
        keeps_schema: Whether records come as the schema has them: validated, and not changed by stream maps.
    """

    plan: StreamPlan
    changes: set[str]
    pipeline: Pipeline
    keeps_schema: bool


class AmplitudeSink(StreamingSink):
    """Base of the two sinks: filters records, and counts what becomes of each.

    Attributes:
        ids: What reads the ids of records.
    """

    ids: IdReader | ImpressionIdReader | None = None

    def __init__(self, stream: Stream, services: Services, loading: Loading) -> None:
        super().__init__(stream, services)
        plan = loading.plan
        conditions = plan.mapping.get("filter")
        self._accepts = filter_test(conditions) if conditions else None
        self._changes = loading.changes
        self._pipeline = loading.pipeline
        needed = needed_columns(plan)
        self.columns = None if needed is None else column_types(self.schema, needed, self.key_properties)
        for note in plan.notes:
            self.logger.warning(note)

    def process_record(self, record: dict[str, Any], origin: Origin) -> None:
        """Make a payload of a record, or count why not."""
        try:
            if self._accepts is not None and not self._accepts(record):
                self.skip("filter")
            else:
                self._send(record, origin)
        except Skipped as reason:
            self.skip(str(reason))
        except Rejected as reason:
            self.reject(str(reason), origin)
        if self._changes:
            for change in self._changes:
                self.services.summary.add("records_truncated", 1, change, self.stream_name)
            self._changes.clear()

    def _send(self, record: dict[str, Any], origin: Origin) -> None:
        raise NotImplementedError


class EventSink(AmplitudeSink):
    """Makes an event of each record."""

    def __init__(self, stream: Stream, services: Services, loading: Loading) -> None:
        plan = loading.plan
        self._reader = EventReader(plan)
        self.ids = ids = self._reader.ids
        is_quick = loading.keeps_schema and QuickImpressions.fits(plan)
        self._quick = QuickImpressions(plan, ids) if is_quick and isinstance(ids, ImpressionIdReader) else None
        self._one_per_period = plan.one_per_period
        self._flags: set[str] | None = set() if plan.load_as == "exposure" else None
        super().__init__(stream, services, loading)

    def _send(self, record: dict[str, Any], origin: Origin) -> None:
        event, part = self._quickly(record) or self._carefully(record)
        if self._one_per_period and not self._pipeline.seen.is_new(event["insert_id"]):
            self.services.summary.add("records_deduplicated", 1, "within its period", self.stream_name)
            return
        self._pipeline.router.add_event(self.stream_name, event, part, origin)
        if self._flags is not None:
            self._watch_flags(event)

    def _quickly(self, record: dict[str, Any]) -> tuple[dict[str, Any], bytes] | None:
        """Return the event of a usual impression, and the same as JSON."""
        if self._quick is None or (event := self._quick.read(record)) is None:
            return None
        try:
            part = _encode(event)
        except UnicodeEncodeError:
            return None
        if len(part) > MAX_TEXT and not is_plain(properties := event["event_properties"]):
            event["event_properties"] = clean_properties(properties, self._changes.add)
            part = _encode(event)
        return event, part

    def _carefully(self, record: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
        """Return the event of any record, and the same as JSON."""
        event = self._reader.read(record)
        try:
            return event, _encode(event)
        except UnicodeEncodeError:  # a lone surrogate somewhere
            event = clean_properties(event, self._changes.add, depth=0)
            return event, _encode(event)

    def _watch_flags(self, event: dict[str, Any]) -> None:
        """Warn once when there are more flags than a project can hold user properties of."""
        if self._flags is None or len(self._flags) >= MAX_EXPOSED_FLAGS:
            return
        self._flags.add(str(event["event_properties"].get("flag_key")))
        if len(self._flags) == MAX_EXPOSED_FLAGS:
            self.logger.warning(
                "This run has exposures of %d flags: a project holds no more user properties of flags.",
                MAX_EXPOSED_FLAGS,
            )


class IdentifySink(AmplitudeSink):
    """Makes identifications of each record; many records of one user become one."""

    def __init__(self, stream: Stream, services: Services, loading: Loading) -> None:
        plan = loading.plan
        self._reader = reader = identification_reader(plan)
        self.ids = getattr(reader, "ids", None)
        super().__init__(stream, services, loading)
        is_quick = loading.keeps_schema and QuickFlags.fits(plan)
        self._quick = None
        if is_quick and isinstance(reader, FlagIdentifications) and isinstance(reader.ids, ImpressionIdReader):
            self._quick = QuickFlags(reader, reader.ids)
        if readers.time(plan) is not None and not loading.pipeline.keeps_times:
            self.logger.warning(NO_TIMES_WARNING)

    def _send(self, record: dict[str, Any], origin: Origin) -> None:
        router, stream = self._pipeline.router, self.stream_name
        if self._quick is not None and (one := self._quick.read(record)) is not None:
            is_new = router.set_property(stream, one, origin)
        else:
            is_new = False
            for identification in self._reader.read(record):
                is_new |= router.add_identification(stream, identification, origin)
        if not is_new:
            router.note_merged(stream)


def new_sink(
    stream: Stream, services: Services, settings: LoadSettings, pipeline: Pipeline, *, is_validated: bool
) -> AmplitudeSink:
    """Return the sink of a stream.

    Raises:
        ConnectorError: The mapping does not fit the stream's schema.
    """
    changes: set[str] = set()
    plan = StreamPlan(stream.name, stream.schema, stream.key_properties, settings, changes.add)
    sink = IdentifySink if plan.load_as == "identify" else EventSink
    return sink(stream, services, Loading(plan, changes, pipeline, is_validated and not stream.is_mapped))


def identity_note(identity: Mapping[str, str], sinks: Iterable[StreamingSink]) -> str:
    """Return a sentence about entries of the setting `identity` that matched no impression; empty when all did."""
    readers = [sink.ids for sink in sinks if isinstance(sink, AmplitudeSink)]
    seen = {name for ids in readers if isinstance(ids, ImpressionIdReader) for name in ids.kinds}
    unused = [glob for glob in identity if not any(fnmatch.fnmatchcase(name, glob) for name in seen)]
    if not seen or not unused:
        return ""
    return (
        f"Setting 'identity': {quoted(unused)} matched no impression. Traffic types of this run: "
        f"{quoted(sorted(seen)) if any(seen) else 'none'}."
    )
