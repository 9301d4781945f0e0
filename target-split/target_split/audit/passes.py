"""The pass of an audit: exported events are noted as expected, then all that are open are looked up in the ledger."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from itertools import islice
from typing import Any

import msgspec

from target_split.audit.subject import SUBJECT
from target_split.common.audit.store import Expected, LeftOut, key_of
from target_split.common.audit.writer import AuditWriter, encode, hour_of
from target_split.common.target.delivery import Origin
from target_split.common.target.services import Services, Stream
from target_split.common.target.sink import StreamingSink
from target_split.events.converter import Converter
from target_split.events.event import EventOptions, InvalidEventError
from target_split.ledger.ledger import HOURS_PER_DAY, SECONDS_PER_DAY, oldest_day
from target_split.ledger.open_ledger import open_reader
from target_split.mapping.events import EventMapping, event_mapping

# The settings on which ids in the ledger depend, and whether a record becomes an event at all.
ID_SETTINGS = ("events_url", "environment", "key", "mappings", "skip_own_events")
IDS_PER_LOOKUP = 10_000
UPLOAD_COLUMN = "server_upload_time"

EXPECTED_IDS = """
SELECT key, MAX(since) FROM expected e WHERE NOT EXISTS (SELECT 1 FROM arrived a WHERE a.key = e.key) GROUP BY key
"""


class LedgerAudit(AuditWriter):
    """An audit file, what makes the sinks that write to it, and the look-up of their events in the ledger.

    Args:
        config: The settings; `audit_path` and `ledger_path` are set.
        services: What all sinks share.
    """

    def __init__(self, config: Mapping[str, Any], services: Services) -> None:
        super().__init__(config["audit_path"], SUBJECT, services)
        self._config = config

    def new_sink(self, stream: Stream, given: Mapping[str, Any], options: EventOptions) -> StreamingSink:
        """Return the sink of a stream of events.

        Raises:
            ConnectorError: The ledger cannot be read, or settings changed since an earlier pass.
            MappingError: The mapping is malformed.
        """
        open_reader(self._config["ledger_path"]).close()  # fails now, not after the whole export was read
        settings = {name: self._config.get(name) for name in ID_SETTINGS}
        self.begin_pass("expected", settings)
        self.begin_pass("arrived", settings)
        mapping = event_mapping(stream.schema, given, options.defaults)
        return EventAuditSink(
            stream,
            self._services,
            self,
            mapping,
            lambda skipped: Converter(stream, given, options, lambda _: None, skipped),
        )

    def complete(self) -> None:
        """Look up all events in the ledger that are not known as accepted yet."""
        self.store.index()
        self.store.forget_untold()
        ledger = open_reader(self._config["ledger_path"])
        try:
            last_run, newest = ledger.days
            remembered = oldest_day(int(time.time() // SECONDS_PER_DAY), last_run, newest, self._config["ledger_days"])
            open_events = self.store.query(EXPECTED_IDS)
            while not self._services.stopping.is_set():
                rows = list(islice(open_events, IDS_PER_LOOKUP))
                if not rows:
                    return
                known = ledger.known([identity for identity, _ in rows])
                for identity, since in rows:
                    if identity in known.accepted:
                        self.add("arrived", (identity, 0, since))
                    elif identity in known.ambiguous:
                        self.add("untold", (identity, "ambiguous"))
                    elif since is not None and since < remembered * HOURS_PER_DAY:
                        self.add("untold", (identity, "forgotten"))
        finally:
            ledger.close()


class EventAuditSink(StreamingSink):
    """Notes which events records become, by the settings of the pipeline that is audited.

    Args:
        stream: What it takes.
        services: What all sinks share.
        file: The audit file.
        mapping: Tells an event's type and time.
        new_converter: Makes the pipeline's converter; it is given what to call with why a record is skipped.
    """

    def __init__(
        self,
        stream: Stream,
        services: Services,
        file: AuditWriter,
        mapping: EventMapping,
        new_converter: Callable[[Callable[[str], None]], Converter],
    ) -> None:
        super().__init__(stream, services)
        self._file = file
        self._mapping = mapping
        self._convert = new_converter(self._note_reason).convert
        self._reason = ""

    def _note_reason(self, reason: str) -> None:
        self._reason = reason

    def process_record(self, record: dict[str, Any], origin: Origin) -> None:
        """Note the id, hour and event type of a record's event, or why it has none."""
        try:
            made = self._convert(record)
        except InvalidEventError as error:
            self.services.summary.add("records_rejected", 1, str(error), self.stream_name)
            self._leave_out(record, "rejected", str(error))
            return
        if made is None:
            self.skip(f"audit: {self._reason}")
            self._leave_out(record, "skipped", self._reason)
            return
        identity = made[1]
        assert identity is not None  # noqa: S101  # there is a ledger
        hour = self._hour(record)
        uploaded = hour_of(record.get(UPLOAD_COLUMN))
        since = hour if uploaded is None else uploaded
        self._file.add("expected", Expected(identity, hour, since, self._label(record), *self._file.keep(origin)))
        self.services.summary.add("records_skipped", 1, "audit: noted as expected", self.stream_name)

    def _leave_out(self, record: dict[str, Any], kind: str, reason: str) -> None:
        try:
            text = encode(record).decode()
        except (msgspec.MsgspecError, UnicodeEncodeError, OverflowError, TypeError):
            text = ascii(record)
        self._file.add("left_out", LeftOut(key_of(text), self._hour(record), self._label(record), kind, reason))

    def _hour(self, record: dict[str, Any]) -> int | None:
        return hour_of(self._mapping.time(record))

    def _label(self, record: dict[str, Any]) -> int:
        return self._file.store.label(str(self._mapping.event_type(record)))
