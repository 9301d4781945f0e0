"""The two passes of an audit: records of a source are noted as expected, exported events as arrived."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from target_amplitude.api.coerce import clean_properties
from target_amplitude.api.endpoints import Route
from target_amplitude.api.outcomes import Rejected, Skipped
from target_amplitude.audit.subject import SUBJECT
from target_amplitude.common.audit.store import HOUR_MS, Expected, LeftOut, key_of
from target_amplitude.common.audit.writer import AuditWriter, encode, hour_of
from target_amplitude.common.errors import ConnectorError
from target_amplitude.common.record_paths import filter_test
from target_amplitude.common.target.delivery import Origin
from target_amplitude.common.target.services import Services, Stream
from target_amplitude.common.target.sink import StreamingSink
from target_amplitude.delivery.batch import check_size
from target_amplitude.mapping.grammar import LoadSettings
from target_amplitude.payloads.event import EventReader
from target_amplitude.payloads.plan import StreamPlan

# Columns of Amplitude's export (tap-amplitude's stream `events`) by which it is recognized.
EXPORT_COLUMNS = ("$insert_id", "uuid", "server_upload_time")


class Audit(AuditWriter):
    """An audit file, and what makes the sinks that write to it.

    Args:
        path: The audit file.
        settings: What records become.
        route: How events would be sent.
        services: What all sinks share.
    """

    def __init__(self, path: str, settings: LoadSettings, route: Route, services: Services) -> None:
        super().__init__(path, SUBJECT, services)
        self._settings = settings
        self._route = route

    def new_sink(self, stream: Stream) -> StreamingSink:
        """Return the sink of a stream.

        Raises:
            ConnectorError: The stream cannot be audited, or settings changed since an earlier pass.
        """
        is_export = all(column in stream.schema.get("properties", {}) for column in EXPORT_COLUMNS)
        if is_export:
            self.begin_pass("arrived", asdict(self._settings))
            return ArrivedSink(stream, self._services, self)
        plan = StreamPlan(stream.name, stream.schema, stream.key_properties, self._settings, lambda _: None)
        if plan.load_as == "identify":
            raise ConnectorError(
                f"Stream '{stream.name}' is loaded as identify, which cannot be audited: Amplitude exports events, not "
                "identifications."
            )
        self.begin_pass("expected", asdict(self._settings))
        return ExpectedSink(stream, self._services, self, plan, self._route)


class ExpectedSink(StreamingSink):
    """Notes what should arrive of each record, by the settings of the load that is audited."""

    def __init__(self, stream: Stream, services: Services, file: AuditWriter, plan: StreamPlan, route: Route) -> None:
        super().__init__(stream, services)
        self._file = file
        self._route = route
        self._reader = EventReader(plan)
        self._label_path = "split" if plan.is_impression else ""
        conditions = plan.mapping.get("filter")
        self._accepts = filter_test(conditions) if conditions else None

    def process_record(self, record: dict[str, Any], origin: Origin) -> None:
        """Note the insert id, hour and flag of a record."""
        if self._accepts is not None and not self._accepts(record):
            self.skip("filter")
            return
        try:
            event = self._reader.read(record)
            self._check_size(event)
        except Skipped as reason:
            self.skip(str(reason))
        except Rejected as reason:
            self.services.summary.add("records_rejected", 1, str(reason), self.stream_name)
            key = key_of(json.dumps(record, sort_keys=True, default=str))
            label = self._label(record, {})
            self._file.add("left_out", LeftOut(key, hour_of(record.get("time")), label, "rejected", str(reason)))
        else:
            self._note(record, event, origin)

    def _check_size(self, event: dict[str, Any]) -> None:
        try:
            check_size(self._route, encode(event))
        except UnicodeEncodeError:
            check_size(self._route, encode(clean_properties(event, lambda _: None, depth=0)))

    def _note(self, record: Mapping[str, Any], event: dict[str, Any], origin: Origin) -> None:
        hour = event["time"] // HOUR_MS if "time" in event else None
        known = [one for one in (hour, hour_of(record.get("received_at"))) if one is not None]
        key, since, label = key_of(event["insert_id"]), max(known, default=None), self._label(record, event)
        self._file.add("expected", Expected(key, hour, since, label, *self._file.keep(origin)))
        self.services.summary.add("records_skipped", 1, "audit: noted as expected", self.stream_name)

    def _label(self, record: Mapping[str, Any], event: Mapping[str, Any]) -> int:
        name = record.get(self._label_path) if self._label_path else event.get("event_type", self.stream_name)
        return self._file.store.label(str(name))


class ArrivedSink(StreamingSink):
    """Notes the insert ids of exported events."""

    def __init__(self, stream: Stream, services: Services, file: AuditWriter) -> None:
        super().__init__(stream, services)
        self._file = file

    def process_record(self, record: dict[str, Any], origin: Origin) -> None:
        """Note the insert id and uuid of an event."""
        insert_id = record.get("$insert_id")
        if not insert_id:
            self.skip("audit: event without an insert id")
            return
        row = (key_of(str(insert_id)), key_of(str(record.get("uuid"))), hour_of(record.get("server_upload_time")))
        self._file.add("arrived", row)
        self.services.summary.add("records_skipped", 1, "audit: noted as arrived", self.stream_name)
