"""What all streams share: their schema from a table of fields, no conversion by the SDK, messages for failures."""

from __future__ import annotations

import threading
from collections.abc import Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, ClassVar

from singer_sdk import Tap
from singer_sdk.helpers.conform import TypeConformanceLevel

from tap_amplitude.api.client import Client
from tap_amplitude.api.errors import NoPermissionError
from tap_amplitude.api.quota import CostBudget
from tap_amplitude.cohorts.lists import Cohorts
from tap_amplitude.common.metrics import gauge
from tap_amplitude.common.sdk_private import BatchConfig
from tap_amplitude.common.summary import Summary
from tap_amplitude.common.tap.tap import PlainStream
from tap_amplitude.common.tap.writer import MessageWriter
from tap_amplitude.export.spool import Spool
from tap_amplitude.records.schemas import Fields, json_schema
from tap_amplitude.records.values import Cleaner
from tap_amplitude.streams.state import bookmark_time

Record = dict[str, Any]
Context = Any


@dataclass(frozen=True)
class Services:
    """What streams work with.

    Attributes:
        stopping: Set when the run is to end.
        refused: Names of the streams that could not be read completely.
    """

    client: Client
    cohorts: Cohorts
    spool: Spool
    writer: MessageWriter
    summary: Summary
    stopping: threading.Event
    cost_budget: CostBudget = field(default_factory=CostBudget)
    refused: list[str] = field(default_factory=list)


class AmplitudeStream(PlainStream):
    """A stream whose records are cleaned by its own table of fields.

    Attributes:
        fields: The kind of each field.
        keys: The fields that tell records apart.
        never_null: The fields that always have a value, when these are not the keys.
        counted_as: The counter of its records in the summary.
        reads_api: Whether it needs keys.
    """

    fields: ClassVar[Fields]
    keys: ClassVar[Sequence[str]]
    never_null: ClassVar[Sequence[str]] = ()
    counted_as: ClassVar[str] = "other_records"
    reads_api: ClassVar[bool] = True
    TYPE_CONFORMANCE_LEVEL = TypeConformanceLevel.NONE

    def __init__(self, tap: Tap, services: Services) -> None:
        if self.reads_api and tap.config.get("path") and not tap.config.get("api_key"):
            self.selected_by_default = False
        super().__init__(tap, schema=json_schema(self.fields, self.never_null or self.keys))
        self.primary_keys = self.keys
        self.services = services
        self._cleaner = Cleaner(self.fields)
        self._warned_of_key = False

    @property
    def what(self) -> str:
        """What the records are, in words, for messages."""
        return f"the {self.name.replace('_', ' ')}"

    def get_replication_key_signpost(self, context: Context = None) -> datetime | None:
        """Return none: bookmarks here never pass what was emitted, so nothing needs to hold them back."""
        return None

    def _write_starting_replication_value(self, context: Context) -> None:
        """Do nothing: the bookmark alone says where to begin."""

    def _increment_stream_state(self, latest_record: Record, *, context: Context = None) -> None:
        """Do nothing: no single record moves the bookmark, but an answer, an hour or a file that was emitted."""

    def post_process(self, row: Record, context: Context = None) -> Record | None:
        """Return a record with every field of its kind; None for a row without a key, which is counted."""
        record, nulled = self._cleaner.clean(row if isinstance(row, dict) else {})
        if any(record[key] in (None, "") for key in self.keys):
            if not self._warned_of_key:
                self._warned_of_key = True
                self.logger.warning("Stream '%s': rows without %s are skipped.", self.name, " or ".join(self.keys))
            self.services.summary.add("records_skipped", reason="no key", stream=self.name)
            return None
        self.services.summary.add("values_nulled", nulled, stream=self.name)
        return record

    def get_batch_config(self, config: Mapping[str, Any]) -> BatchConfig | None:
        """Return none: only `events` has rows enough for batch files; the others always send records."""
        return None

    def _sync_records(self, context: Context = None, *, write_messages: bool = True) -> Generator[Record, Any, Any]:
        """Sync as the SDK does; a stream that this project may not read does not stop the others."""
        try:
            yield from self.sync_records(context, write_messages=write_messages)
            if (seconds := self.bookmark_lag()) is not None:
                gauge("bookmark_lag_seconds", round(seconds), stream=self.name)
        except NoPermissionError as error:
            self.logger.error("Stream '%s': %s", self.name, error)
            self.services.refused.append(self.name)

    def sync_records(self, context: Context, *, write_messages: bool) -> Iterable[Record]:
        """Emit the records, as the SDK does unless a stream has a better way."""
        for record in super()._sync_records(context, write_messages=write_messages):
            self.services.summary.add(self.counted_as)
            yield record

    def bookmark_lag(self) -> float | None:
        """Return how many seconds the bookmark is behind the present; None for a stream without one."""
        bookmark = bookmark_time(self.name, self.stream_state, now := datetime.now(UTC))
        return None if bookmark is None else (now - bookmark).total_seconds()

    def write_state(self, **bookmark: Any) -> None:
        """Change members of this stream's bookmark and write a STATE message."""
        self.stream_state.update(bookmark)
        self.state_manager.is_flushed = False
        self._write_state_message()
