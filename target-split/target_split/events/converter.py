"""The records of one stream made into events with their ids. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from target_split.common.record_paths import MappingError, Record
from target_split.common.target.columns import column_types
from target_split.common.target.services import Stream
from target_split.events.event import EventMaker, EventOptions, InvalidEventError
from target_split.ledger.event_id import EventIds
from target_split.mapping.events import event_mapping

encode = msgspec.json.Encoder(enc_hook=str).encode

Count = Callable[[str], None]

# What target-amplitude writes into an event's `library`, behind which comes its version.
OWN_LIBRARY = "target-amplitude"

# What it calls its events unless it is set up otherwise, and those of Amplitude Experiment that it makes.
OWN_NAMES = ("get_treatment", "$exposure", "[Experiment] Exposure")  # any value may be compared with them

# What Amplitude writes into `library` for events that come by its HTTP API without a library of their own. Events of
# Amplitude's SDKs are never target-amplitude's, whatever their name.
HTTP_LIBRARY = "http/"

OWN_COLUMNS = frozenset({"library", "event_type"})

# A serialized event and its id in the ledger, None without one.
Converted = tuple[bytes, bytes | None]


class Converter:
    """Makes events.

    Args:
        stream: Where records come from.
        given: Its entry of `mappings`.
        options: Settings about events.
        truncated: Called with what had to be truncated or left out of an event.
        skipped: Called with why a record is skipped.

    Attributes:
        traffic_types: Those that settings name.
        event_types: Names of event types that were made.
        columns: Types of the columns that it reads; None where a record is needed as a whole.

    Raises:
        MappingError: The mapping is malformed.
    """

    def __init__(
        self, stream: Stream, given: Mapping[str, Any], options: EventOptions, truncated: Count, skipped: Count
    ) -> None:
        mapping = event_mapping(stream.schema, given, options.defaults)
        self.traffic_types = mapping.key.named
        self._accepts = mapping.accepts
        self._event_id = mapping.event_id
        maker = EventMaker(mapping, options, truncated)
        self._make = maker.make
        self.event_types = maker.event_types
        self._skipped = skipped
        self._keys = stream.key_properties
        self._ids = None if options.destination is None else EventIds(options.destination, stream.name)
        self._key = self._keys[0] if len(self._keys) == 1 and self._event_id is None else None
        self._by_hour = mapping.has_fixed_time
        self._is_own = is_own_event if options.skip_own and mapping.is_exported else None
        if self._ids is not None and self._event_id is None and not self._keys:
            raise MappingError(
                "it has no key properties, so the ledger cannot tell its events apart. Name what does by 'event_id' in "
                "'mappings', or run without 'ledger_path'."
            )
        read = mapping.columns if self._is_own is None or mapping.columns is None else mapping.columns | OWN_COLUMNS
        self.columns = None if read is None else column_types(stream.schema, read, self._keys)

    def convert(self, record: Record) -> Converted | None:
        """Return the event and its id; None for a record that is skipped.

        Raises:
            InvalidEventError: It can never be an event.
        """
        if self._accepts is not None and not self._accepts(record):
            self._skipped("filter")
            return None
        if self._is_own is not None and self._is_own(record):
            self._skipped("own event")
            return None
        made = self._make(record)
        if made is None:
            self._skipped("no key")
            return None
        content, timestamp = made
        if self._ids is None:
            return content, None
        # The usual case, and the fastest: one key that is a text, as `uuid` is.
        key = record.get(self._key) if self._key is not None else None
        identity = encode([key]) if type(key) is str and key and key.isascii() else self._identity(record)
        return content, self._ids.of(identity, timestamp if self._by_hour else None)

    def _identity(self, record: Record) -> bytes:
        """Return what tells a record's event from others of the stream."""
        values = [record.get(name) for name in self._keys] if self._event_id is None else [self._event_id(record)]
        if values.count(None) + values.count("") == len(values):
            raise InvalidEventError("no event id")
        try:
            return encode(values)
        except (UnicodeEncodeError, msgspec.MsgspecError, OverflowError):
            return ascii(values).encode()


def is_own_event(record: Record) -> bool:
    """Whether target-amplitude made an exported event, which would be an echo in Split.

    Its library tells, or its name where that does not.
    """
    library = record.get("library")
    if isinstance(library, str) and library and not library.startswith(HTTP_LIBRARY):
        return library.startswith(OWN_LIBRARY)
    return record.get("event_type") in OWN_NAMES
