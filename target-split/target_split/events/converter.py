"""The records of one stream made into events with their ids, from a recipe that another process can follow. Pure."""

from __future__ import annotations

from typing import Any, Protocol

import msgspec

from target_split.common.record_paths import MappingError, Record
from target_split.events.column_decoder import lean_decoder
from target_split.events.event import EventMaker, Style, UnfitError
from target_split.events.event_id import EventIds
from target_split.mapping.grammar import Defaults, event_mapping

encode = msgspec.json.Encoder(enc_hook=str).encode


class Recipe(msgspec.Struct, frozen=True):
    """All that decides how records become events.

    Attributes:
        stream: Name of the stream.
        schema: Its JSON Schema.
        keys: Its key properties.
        given: Its entry of `mappings`.
        defaults: Settings for what that does not say.
        style: How events look.
        destination: What the ids of events are made with; None when there is no ledger.
    """

    stream: str
    schema: dict[str, Any]
    keys: list[str]
    given: dict[str, Any]
    defaults: Defaults
    style: Style
    destination: list[str] | None


class Listener(Protocol):
    """Is told what was not made as it came."""

    def note(self, what: str) -> None:
        """Hear that something was shortened or left out."""

    def skip(self, why: str) -> None:
        """Hear that a record was left out."""


class Converter:
    """Makes events.

    Attributes:
        traffic_types: Those that settings name.
        decode: Reads only the needed columns of a line; None when that would not be enough.

    Raises:
        MappingError: The recipe cannot be followed.
    """

    def __init__(self, recipe: Recipe, listener: Listener) -> None:
        mapping = event_mapping(recipe.schema, recipe.given, recipe.defaults)
        self.traffic_types = mapping.key.named
        self._accepts = mapping.accepts
        self._event_id = mapping.event_id
        self._make = EventMaker(mapping, recipe.style, listener.note)
        self._skip = listener.skip
        self._keys = recipe.keys
        self._ids = None if recipe.destination is None else EventIds(recipe.destination, recipe.stream)
        if self._ids is not None and self._event_id is None and not self._keys:
            raise MappingError(
                "it has no key properties, so the ledger cannot tell its events apart. Name what does by 'event_id' in "
                "'mappings', or run without 'ledger_path'."
            )
        self.decode = None if mapping.columns is None else lean_decoder(recipe.schema, mapping.columns, self._keys)

    def __call__(self, record: Record) -> tuple[bytes, bytes | None] | None:
        """Return the event and its id (None without a ledger); None for a record that is left out.

        Raises:
            UnfitError: It can never be an event.
        """
        if self._accepts is not None and not self._accepts(record):
            self._skip("filter")
            return None
        event = self._make(record)
        if event is None:
            self._skip("no key")
            return None
        return event, None if self._ids is None else self._ids.of(self._identity(record))

    def _identity(self, record: Record) -> bytes:
        """Return what tells a record's event from others of the stream."""
        values = [record[name] for name in self._keys] if self._event_id is None else [self._event_id(record)]
        if values.count(None) + values.count("") == len(values):
            raise UnfitError("no event id")
        try:
            return encode(values)
        except (UnicodeEncodeError, msgspec.MsgspecError, OverflowError):
            return ascii(values).encode()
