"""Takes the records of one stream: makes events or identifications of them and hands those to the lanes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from target_amplitude.api.coerce import clean_properties
from target_amplitude.api.outcomes import Rejected, Skipped
from target_amplitude.common.record_paths import filter_test
from target_amplitude.common.target.target import StreamingSink
from target_amplitude.payloads.event import EventReader
from target_amplitude.payloads.identification import identification_reader
from target_amplitude.payloads.impressions import MAX_EXPOSED_FLAGS
from target_amplitude.payloads.plan import StreamPlan

if TYPE_CHECKING:
    from target_amplitude.target import TargetAmplitude

encode = msgspec.json.Encoder().encode


class AmplitudeSink(StreamingSink):
    """Makes of each record what its stream's plan says."""

    target: TargetAmplitude

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Work out what the records become.

        Raises:
            ConnectorError: The mapping does not fit the stream's schema.
        """
        super().__init__(*args, **kwargs)
        self._mended: set[str] = set()  # what the record at hand needed
        plan = StreamPlan(self.stream_name, self.schema, self.key_properties, self.target.loading, self._mended.add)
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

    def process_record(self, record: dict[str, Any], context: dict[str, Any]) -> None:  # noqa: ARG002
        """Make an event or identifications of a record."""
        try:
            if self._accepts is not None and not self._accepts(record):
                raise Skipped("filter")  # noqa: TRY301
            if self._event is not None:
                self._send_event(self._event(record))
            elif self._identifications is not None:
                self._send_identifications(self._identifications(record))
        except Skipped as reason:
            self.target.summary.add("records_skipped", 1, str(reason))
        except Rejected as reason:
            self.reject(str(reason), record)
        if self._mended:
            for mending in self._mended:
                self.target.summary.add("records_shortened", 1, mending)
            self._mended.clear()

    def _send_event(self, event: dict[str, Any]) -> None:
        if self._one_per_period and not self.target.seen.is_new(event["insert_id"]):
            self.target.summary.add("records_deduplicated", 1, "within its period")
            return
        try:
            part = encode(event)
        except UnicodeEncodeError:  # a lone surrogate somewhere
            event = clean_properties(event, self._mended.add, depth=0)
            part = encode(event)
        self.target.dispatch.add_event(self.stream_name, event, part)
        if self._flags is not None:
            self._watch_flags(event)

    def _send_identifications(self, identifications: Sequence[Any]) -> None:
        made = [self.target.dispatch.add_identification(self.stream_name, one) for one in identifications]
        if not any(made):
            self.target.summary.add("records_deduplicated", 1, "merged or unchanged")

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
