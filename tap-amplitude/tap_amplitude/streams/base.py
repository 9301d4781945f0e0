"""What all streams share: their schema from a table of fields, no conversion by the SDK, sentences for failures."""

from __future__ import annotations

import logging
import sys
from collections.abc import Generator, Iterable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar

from singer_sdk.helpers.conform import TypeConformanceLevel
from singer_sdk.streams import Stream

from tap_amplitude.api.errors import NoPermissionError
from tap_amplitude.common.errors import ConnectorError
from tap_amplitude.common.sdk_private import BatchConfig
from tap_amplitude.export.records import clean
from tap_amplitude.streams.schemas import Fields, json_schema

if TYPE_CHECKING:
    from tap_amplitude.tap import TapAmplitude

Record = dict[str, Any]
Context = Any


class AmplitudeStream(Stream):
    """A stream whose records are cleaned by its own table of fields.

    Attributes:
        fields: The kind of each field.
        keys: The fields that tell records apart.
        never_null: The fields that always have a value, when these are not the keys.
        counted_as: The counter of its records in the summary.
    """

    fields: ClassVar[Fields]
    keys: ClassVar[Sequence[str]]
    never_null: ClassVar[Sequence[str]] = ()
    counted_as: ClassVar[str] = "other_records"
    TYPE_CONFORMANCE_LEVEL = TypeConformanceLevel.NONE

    def __init__(self, tap: TapAmplitude) -> None:
        super().__init__(tap, schema=json_schema(self.fields, self.never_null or self.keys))
        self.primary_keys = self.keys
        self.tap = tap

    def get_replication_key_signpost(self, context: Context = None) -> datetime | None:  # noqa: ARG002
        """Return none: bookmarks here never pass what was emitted, so nothing needs to hold them back."""
        return None

    def post_process(self, row: Record, context: Context = None) -> Record | None:  # noqa: ARG002
        """Return a record with every field of its kind."""
        record, nulled = clean(row, self.fields)
        self.tap.summary.add("values_nulled", nulled)
        return record

    def get_batch_config(self, config: Mapping[str, Any]) -> BatchConfig | None:  # noqa: ARG002
        """Return none: only `events` has rows enough for batch files; the others send records always."""
        return None

    def log(self, message: str, *args: Any, level: int = logging.INFO, **kwargs: Any) -> None:
        """Log, but leave the SDK's "unhandled error" away for failures that have a sentence of their own."""
        if not isinstance(sys.exc_info()[1], ConnectorError):
            super().log(message, *args, level=level, **kwargs)

    def _sync_records(self, context: Context = None, *, write_messages: bool = True) -> Generator[Record, Any, Any]:
        """Sync as the SDK does; a stream that this project may not read does not stop the others."""
        try:
            yield from self.sync_records(context, write_messages=write_messages)
        except NoPermissionError as error:
            self.tap.refuse(self.name, error)

    def sync_records(self, context: Context, *, write_messages: bool) -> Iterable[Record]:
        """Emit the records, as the SDK does unless a stream has a better way."""
        for record in super()._sync_records(context, write_messages=write_messages):
            self.tap.summary.add(self.counted_as)
            yield record

    def write_state(self, **bookmark: Any) -> None:
        """Change members of this stream's bookmark and write a STATE message."""
        self.stream_state.update(bookmark)
        self.state_manager.is_flushed = False
        self._write_state_message()
