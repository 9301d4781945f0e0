"""The two passes of an audit: records of a source are noted as expected, exported events as arrived."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import msgspec

from target_amplitude.api.coerce import clean_properties
from target_amplitude.api.endpoints import Route
from target_amplitude.api.outcomes import Rejected, Skipped
from target_amplitude.audit.store import HOUR_MS, AuditStore, Expected, key_of
from target_amplitude.common.errors import ConnectorError
from target_amplitude.common.record_paths import filter_test
from target_amplitude.common.target.checkpoints import Hold
from target_amplitude.common.target.delivery import MessageLine, Origin
from target_amplitude.common.target.services import Services, Stream
from target_amplitude.common.target.sink import StreamingSink
from target_amplitude.common.timestamps import epoch_milliseconds
from target_amplitude.delivery.batch import check_size
from target_amplitude.mapping.grammar import LoadSettings
from target_amplitude.payloads.event import EventReader
from target_amplitude.payloads.plan import StreamPlan

# Columns of Amplitude's export (tap-amplitude's stream `events`) by which it is recognized.
EXPORT_COLUMNS = ("$insert_id", "uuid", "server_upload_time")
BUFFERED_ROWS = 2_000

_encode = msgspec.json.Encoder().encode


class Audit:
    """Writes one run's part of an audit. STATE waits for the commit of what was read before it.

    Args:
        path: The audit file.
        settings: What records become.
        route: How events would be sent.
        services: What all sinks share.
    """

    def __init__(self, path: str, settings: LoadSettings, route: Route, services: Services) -> None:
        self.store = AuditStore(path, create=True)
        self.settings = settings
        self.route = route
        self._services = services
        self._passes: dict[str, int] = {}
        self._hold: Hold | None = None
        self._rows: dict[str, list[Any]] = {"expected": [], "rejected": [], "arrived": []}
        self._block: tuple[bytes, int] | None = None

    def new_sink(self, stream: Stream) -> StreamingSink:
        """Return the sink of a stream.

        Raises:
            ConnectorError: The stream cannot be audited, or settings changed since an earlier pass.
        """
        self.commit()
        is_export = all(column in stream.schema.get("properties", {}) for column in EXPORT_COLUMNS)
        kind = "arrived" if is_export else "expected"
        if kind not in self._passes:
            self._passes[kind] = self.store.begin_pass(kind, asdict(self.settings))
        return ArrivedSink(stream, self._services, self) if is_export else ExpectedSink(stream, self._services, self)

    def add(self, table: str, row: Any) -> None:
        """Append a row."""
        self._begin()
        rows = self._rows[table]
        rows.append(row)
        if len(rows) >= BUFFERED_ROWS:
            self._write(table)

    def keep(self, origin: Origin) -> tuple[int | None, int]:
        """Keep the input lines in which a record came; return block and position."""
        if not isinstance(origin, MessageLine):
            return None, 0
        if self._block is None or self._block[0] is not origin.block:
            self._begin()
            self._block = (origin.block, self.store.add_lines(origin.block))
        return self._block[1], origin.position

    def commit(self) -> None:
        """Make durable what was read, and let STATE pass."""
        if self._hold is not None:
            for table in self._rows:
                self._write(table)
            self.store.commit()
            self._hold.done()
            self._hold = None

    def finish(self, *, is_complete: bool) -> None:
        """Commit, and note whether the passes of this run read all of their input."""
        self.commit()
        for number in self._passes.values():
            if is_complete:
                self.store.finish_pass(number)
        self.store.close()

    def _begin(self) -> None:
        if self._hold is None:
            self._hold = self._services.checkpoints.begin()
            self.store.begin()

    def _write(self, table: str) -> None:
        self.store.add(table, self._rows[table])
        self._rows[table].clear()


class ExpectedSink(StreamingSink):
    """Notes what should arrive of each record, by the settings of the load that is audited."""

    def __init__(self, stream: Stream, services: Services, audit: Audit) -> None:
        super().__init__(stream, services)
        self._audit = audit
        plan = StreamPlan(stream.name, stream.schema, stream.key_properties, audit.settings, lambda _: None)
        if plan.load_as == "identify":
            raise ConnectorError(
                f"Stream '{stream.name}' is loaded as identify, which cannot be audited: Amplitude exports events, not "
                "identifications."
            )
        self._reader = EventReader(plan)
        self._label_path = "split" if plan.is_impression else ""
        conditions = plan.mapping.get("filter")
        self._accepts = filter_test(conditions) if conditions else None
        # What a stream map made cannot be sent through it once more.
        self._keeps_lines = not stream.is_mapped
        audit.store.add_schema(stream.name, schema_message(stream))

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
            self.services.summary.add("records_rejected", 1, str(reason))
            key = key_of(json.dumps(record, sort_keys=True, default=str))
            self._audit.add("rejected", (key, hour_of(record.get("time")), self._label(record, {}), str(reason)))
        else:
            self._note(record, event, origin)

    def _check_size(self, event: dict[str, Any]) -> None:
        try:
            check_size(self._audit.route, _encode(event))
        except UnicodeEncodeError:
            check_size(self._audit.route, _encode(clean_properties(event, lambda _: None, depth=0)))

    def _note(self, record: Mapping[str, Any], event: dict[str, Any], origin: Origin) -> None:
        hour = event["time"] // HOUR_MS if "time" in event else None
        known = [one for one in (hour, hour_of(record.get("received_at"))) if one is not None]
        row = Expected(
            key_of(event["insert_id"]),
            hour,
            max(known, default=None),
            self._label(record, event),
            *(self._audit.keep(origin) if self._keeps_lines else (None, 0)),
        )
        self._audit.add("expected", row)
        self.services.summary.add("records_skipped", 1, "audit: noted as expected")

    def _label(self, record: Mapping[str, Any], event: Mapping[str, Any]) -> int:
        name = record.get(self._label_path) if self._label_path else event.get("event_type", self.stream_name)
        return self._audit.store.label(str(name))


class ArrivedSink(StreamingSink):
    """Notes the insert ids of exported events."""

    def __init__(self, stream: Stream, services: Services, audit: Audit) -> None:
        super().__init__(stream, services)
        self._audit = audit

    def process_record(self, record: dict[str, Any], origin: Origin) -> None:  # noqa: ARG002
        """Note the insert id and uuid of an event."""
        insert_id = record.get("$insert_id")
        if not insert_id:
            self.skip("audit: event without an insert id")
            return
        row = (key_of(str(insert_id)), key_of(str(record.get("uuid"))), hour_of(record.get("server_upload_time")))
        self._audit.add("arrived", row)
        self.services.summary.add("records_skipped", 1, "audit: noted as arrived")


def hour_of(time: Any) -> int | None:
    """Return the UTC hour of a time, in hours since 1970; None when there is none."""
    try:
        return None if time is None else epoch_milliseconds(time) // HOUR_MS
    except (ValueError, OverflowError):
        return None


def schema_message(stream: Stream) -> bytes:
    """Return the SCHEMA message of a stream."""
    return _encode(
        {"type": "SCHEMA", "stream": stream.name, "schema": stream.schema, "key_properties": stream.key_properties}
    )
