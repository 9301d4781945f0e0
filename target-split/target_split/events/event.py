"""A record made into a serialized event (https://docs.split.io/reference/create-events). Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import msgspec

from target_split.api.limits import (
    MAX_PROPERTIES_BYTES,
    InvalidKeyError,
    key_problem,
    number,
    properties_bytes,
    trimmed,
    well_formed,
)
from target_split.common.record_paths import Record, is_empty
from target_split.common.timestamps import epoch_milliseconds
from target_split.mapping.events import EventMapping
from target_split.mapping.names import event_type_name, event_type_rule
from target_split.mapping.properties import Note, Selection
from target_split.mapping.sources import Defaults

# Event types of one account, and their names; more than Amplitude allows a project.
MAX_NAMES = 10_000

NOT_A_NUMBER = "a value that is not a number"
TOO_LARGE = f"properties over {MAX_PROPERTIES_BYTES:,} bytes"
NOT_UNICODE = "a text that is not valid Unicode"

encode = msgspec.json.Encoder().encode


class Event(msgspec.Struct, rename="camel", omit_defaults=True, gc=False):
    """An event as Split takes it. `timestamp` is in milliseconds since 1970."""

    event_type_id: str
    traffic_type_name: str
    key: str
    timestamp: int
    value: int | float | None = None
    properties: dict[str, Any] | None = None
    environment_name: str | None = None


# A serialized event and its time in milliseconds since 1970.
MadeEvent = tuple[bytes, int]


class InvalidEventError(Exception):
    """A record that can never be an event. The message is the reason, without any of its values."""


@dataclass(frozen=True, kw_only=True)
class EventOptions:
    """Settings about events.

    Attributes:
        defaults: What a mapping may override.
        prefix: Of the names of event types.
        max_name_length: Longest of these names.
        environment: Name of the environment, where events are to carry it.
        join_arrays: Whether arrays become their items joined by commas, not JSON.
        destination: What the ids of events are made with; None when there is no ledger.
        skip_own: Whether events are skipped that target-amplitude made.
    """

    defaults: Defaults
    prefix: str
    max_name_length: int
    environment: str | None
    join_arrays: bool
    destination: Sequence[str] | None
    skip_own: bool


class EventMaker:
    """Makes the events of one stream; calls `note` with what had to be truncated or left out.

    Attributes:
        event_types: Names of event types that were made.
    """

    def __init__(self, mapping: EventMapping, options: EventOptions, note: Note) -> None:
        self.event_types: set[str] = set()
        self._mapping = mapping
        self._environment = options.environment
        self._note = note
        self._select = Selection(mapping.properties, note, join_arrays=options.join_arrays).select
        self._rule = event_type_rule(options.max_name_length)
        self._prefix = options.prefix
        self._names = lru_cache(MAX_NAMES)(self._new_name)

    def make(self, record: Record) -> MadeEvent | None:
        """Return the event, or None for a record without a key.

        Raises:
            InvalidEventError: It can never be one.
        """
        mapping = self._mapping
        try:
            key, traffic_type = mapping.key(record)
        except InvalidKeyError as error:
            raise InvalidEventError(str(error)) from None
        if key is None:
            return None
        if problem := key_problem(key):
            raise InvalidEventError(problem)
        if not isinstance(traffic_type, str) or not traffic_type:
            raise InvalidEventError("no traffic type")
        event_type = mapping.event_type(record)
        name = self._names(event_type if type(event_type) is str else text_of(event_type))
        timestamp = self._time(mapping.time(record))
        event = Event(
            name,
            traffic_type.lower(),
            key,
            timestamp,
            None if mapping.value is None else self._value(mapping.value(record)),
            self._select(record) or None,
            self._environment,
        )
        return self._encoded(event), timestamp

    def _new_name(self, event_type: str) -> str:
        if is_empty(event_type):
            raise InvalidEventError("no event type")
        name = event_type_name(self._rule, self._prefix, event_type)
        self.event_types.add(name)
        return name

    def _time(self, moment: Any) -> int:
        try:
            milliseconds = epoch_milliseconds(moment)
        except (ValueError, OverflowError, TypeError):
            raise InvalidEventError("no time" if is_empty(moment) else "a time that cannot be read") from None
        if milliseconds < 0:
            raise InvalidEventError("a time before 1970")
        return milliseconds

    def _value(self, value: Any) -> int | float | None:
        result = number(value)
        if result is None and not is_empty(value):
            self._note(NOT_A_NUMBER)
        return result

    def _encoded(self, event: Event) -> bytes:
        try:
            text = encode(event)
        except UnicodeEncodeError:
            self._note(NOT_UNICODE)
            make_well_formed(event)
            text = encode(event)
        # The text is never smaller than what Split counts, but for eight bytes of a short number.
        properties = event.properties
        if properties and len(text) > MAX_PROPERTIES_BYTES // 2 and properties_bytes(properties) > MAX_PROPERTIES_BYTES:
            self._note(TOO_LARGE)
            event.properties = trimmed(properties)
            return encode(event)
        return text


def text_of(value: Any) -> str:
    """Return a value as text; an empty one for null."""
    return "" if value is None else str(value)


def make_well_formed(event: Event) -> None:
    """Put valid Unicode in place of texts with half a surrogate pair. The key is well-formed already."""
    event.event_type_id = well_formed(event.event_type_id)
    event.traffic_type_name = well_formed(event.traffic_type_name)
    event.properties = {
        well_formed(name): well_formed(value) if isinstance(value, str) else value
        for name, value in (event.properties or {}).items()
    }
