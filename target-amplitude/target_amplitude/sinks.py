"""Takes the records of one stream: makes events or identifications of them and hands those to the lanes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from target_amplitude.api.coerce import clean_properties
from target_amplitude.api.outcomes import Rejected, Skipped
from target_amplitude.common.record_paths import filter_test
from target_amplitude.common.target.delivery import Origin
from target_amplitude.common.target.services import Services, Stream
from target_amplitude.common.target.sink import StreamingSink
from target_amplitude.delivery.router import Dispatch
from target_amplitude.delivery.seen import Seen
from target_amplitude.mapping.grammar import LoadSettings
from target_amplitude.payloads.event import EventReader
from target_amplitude.payloads.identification import identification_reader
from target_amplitude.payloads.impressions import MAX_EXPOSED_FLAGS
from target_amplitude.payloads.plan import StreamPlan

encode = msgspec.json.Encoder().encode


class AmplitudeSink(StreamingSink):
    """Makes of each record what its stream's plan says.

    Args:
        stream: What it takes.
        services: What all sinks share.
        loading: How settings say that records are loaded.
        dispatch: Takes what is made.
        seen: Events of this run, where a period has only one of a kind.

    Raises:
        ConnectorError: The mapping does not fit the stream's schema.
    """

    def __init__(
        self, stream: Stream, services: Services, loading: LoadSettings, dispatch: Dispatch, seen: Seen
    ) -> None:
        super().__init__(stream, services)
        self._dispatch = dispatch
        self._seen = seen
        self._mended: set[str] = set()  # what the record at hand needed
        plan = StreamPlan(self.stream_name, self.schema, self.key_properties, loading, self._mended.add)
        self._accepts = filter_test(conditions) if (conditions := plan.mapping.get("filter")) else None
        self._one_per_period = plan.one_per_period
        self._event = self._identifications = None
        if plan.load_as == "identify":
            self._identifications = identification_reader(plan).read
        else:
            self._event = EventReader(plan).read
        self._flags: set[str] | None = set() if plan.load_as == "exposure" else None
        for note in plan.notes:
            self.logger.warning(note)

    def process_record(self, record: dict[str, Any], origin: Origin) -> None:
        """Make an event or identifications of a record."""
        try:
            if self._accepts is not None and not self._accepts(record):
                raise Skipped("filter")  # noqa: TRY301
            if self._event is not None:
                self._send_event(self._event(record), origin)
            elif self._identifications is not None:
                self._send_identifications(self._identifications(record), origin)
        except Skipped as reason:
            self.skip(str(reason))
        except Rejected as reason:
            self.reject(str(reason), origin)
        if self._mended:
            for mending in self._mended:
                self.services.summary.add("records_shortened", 1, mending)
            self._mended.clear()

    def _send_event(self, event: dict[str, Any], origin: Origin) -> None:
        if self._one_per_period and not self._seen.is_new(event["insert_id"]):
            self.services.summary.add("records_deduplicated", 1, "within its period")
            return
        try:
            part = encode(event)
        except UnicodeEncodeError:  # a lone surrogate somewhere
            event = clean_properties(event, self._mended.add, depth=0)
            part = encode(event)
        self._dispatch.add_event(self.stream_name, event, part, origin)
        if self._flags is not None:
            self._watch_flags(event)

    def _send_identifications(self, identifications: Sequence[Any], origin: Origin) -> None:
        made = [self._dispatch.add_identification(self.stream_name, one, origin) for one in identifications]
        if not any(made):
            self.services.summary.add("records_deduplicated", 1, "merged or unchanged")

    def _watch_flags(self, event: dict[str, Any]) -> None:
        """Warn once when a project can have no more user properties of flags."""
        if self._flags is None or len(self._flags) >= MAX_EXPOSED_FLAGS:
            return
        self._flags.add(str(event["event_properties"].get("flag_key")))
        if len(self._flags) == MAX_EXPOSED_FLAGS:
            self.logger.warning(
                "This run has exposures of %d flags: a project holds no more user properties of flags.",
                MAX_EXPOSED_FLAGS,
            )
