"""Takes the records of one stream: makes events or identifications of them and hands those to delivery."""

from __future__ import annotations

from typing import Any

import msgspec

from target_amplitude.api.coerce import clean_properties
from target_amplitude.api.outcomes import Rejected, Skipped
from target_amplitude.common.record_paths import filter_test
from target_amplitude.common.target.delivery import Origin
from target_amplitude.common.target.services import Services, Stream
from target_amplitude.common.target.sink import StreamingSink
from target_amplitude.delivery.pipeline import Pipeline
from target_amplitude.mapping.grammar import LoadSettings
from target_amplitude.payloads.event import EventReader
from target_amplitude.payloads.identification import identification_reader
from target_amplitude.payloads.impressions import MAX_EXPOSED_FLAGS
from target_amplitude.payloads.plan import StreamPlan

_encode = msgspec.json.Encoder().encode


class AmplitudeSink(StreamingSink):
    """Base of the two sinks: filters records, and counts what becomes of each.

    Args:
        stream: What it takes.
        services: What all sinks share.
        plan: What the records become.
        changes: Reasons for which values of the record at hand were changed; the plan's readers add to it.
        pipeline: Takes the payloads.
    """

    def __init__(
        self, stream: Stream, services: Services, plan: StreamPlan, changes: set[str], pipeline: Pipeline
    ) -> None:
        super().__init__(stream, services)
        conditions = plan.mapping.get("filter")
        self._accepts = filter_test(conditions) if conditions else None
        self._changes = changes
        self._pipeline = pipeline
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
            for reason_ in self._changes:
                self.services.summary.add("records_truncated", 1, reason_, self.stream_name)
            self._changes.clear()

    def _send(self, record: dict[str, Any], origin: Origin) -> None:
        raise NotImplementedError


class EventSink(AmplitudeSink):
    """Makes an event of each record."""

    def __init__(
        self, stream: Stream, services: Services, plan: StreamPlan, changes: set[str], pipeline: Pipeline
    ) -> None:
        self._reader = EventReader(plan)
        self._one_per_period = plan.one_per_period
        self._flags: set[str] | None = set() if plan.load_as == "exposure" else None
        super().__init__(stream, services, plan, changes, pipeline)

    def _send(self, record: dict[str, Any], origin: Origin) -> None:
        event = self._reader.read(record)
        if self._one_per_period and not self._pipeline.seen.is_new(event["insert_id"]):
            self.services.summary.add("records_deduplicated", 1, "within its period")
            return
        try:
            part = _encode(event)
        except UnicodeEncodeError:  # a lone surrogate somewhere
            event = clean_properties(event, self._changes.add, depth=0)
            part = _encode(event)
        self._pipeline.router.add_event(self.stream_name, event, part, origin)
        if self._flags is not None:
            self._watch_flags(event)

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

    def __init__(
        self, stream: Stream, services: Services, plan: StreamPlan, changes: set[str], pipeline: Pipeline
    ) -> None:
        self._reader = identification_reader(plan)
        super().__init__(stream, services, plan, changes, pipeline)

    def _send(self, record: dict[str, Any], origin: Origin) -> None:
        add = self._pipeline.router.add_identification
        made = [add(self.stream_name, one, origin) for one in self._reader.read(record)]
        if not any(made):
            self.services.summary.add("records_deduplicated", 1, "merged or unchanged")


def new_sink(stream: Stream, services: Services, settings: LoadSettings, pipeline: Pipeline) -> AmplitudeSink:
    """Return the sink of a stream.

    Raises:
        ConnectorError: The mapping does not fit the stream's schema.
    """
    changes: set[str] = set()
    plan = StreamPlan(stream.name, stream.schema, stream.key_properties, settings, changes.add)
    sink = IdentifySink if plan.load_as == "identify" else EventSink
    return sink(stream, services, plan, changes, pipeline)
