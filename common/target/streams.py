"""The streams of the input: each checks its records, maps them, and hands them to its sinks."""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
from singer_sdk.exceptions import MappingError as StreamMapError
from singer_sdk.mapper import PluginMapper, RemoveRecordTransform, SameRecordTransform, StreamMap

from ..errors import ConnectorError
from ..flattening import Flattener
from .columns import Columns, MessageDecoder, Row, RowDecoder, row_type
from .delivery import Line, Origin
from .schemas import RecordValidator, compiled
from .services import Services, Stream
from .sink import StreamingSink

JSON_TYPES = frozenset({str, int, float, bool, type(None), dict, list})

Transform = Callable[[dict[str, Any]], dict[str, Any] | None]
Branch = tuple[Transform, StreamingSink | None]


class InputStream:
    """Takes the records of one stream.

    Args:
        name: As the tap gives it.
        validator: Checks what the tap sent, before stream maps; None to take everything.
        branches: What its stream maps make of records, each with its sink; no sink where a map removes the stream.
        direct: The only sink, when no stream map changes its records.
        services: What all sinks share.
    """

    def __init__(
        self,
        name: str,
        validator: RecordValidator | None,
        branches: Sequence[Branch],
        direct: StreamingSink | None,
        services: Services,
    ) -> None:
        self.name = name
        self.sinks = [sink for _, sink in branches if sink is not None]
        self.direct = direct
        self._validator = validator
        self._branches = branches
        self._services = services

    def take(self, record: dict[str, Any], origin: Origin) -> None:
        """Take a record as the tap sent it; one that breaks the schema is rejected.

        Raises:
            ConnectorError: A stream map cannot be followed, or too many records were rejected.
        """
        problem = None if self._validator is None else self._validator.problem(record)
        if problem is not None:
            self._reject(problem, origin)
        elif self.direct is not None:
            self.direct.process_record(record, origin)
        else:
            self._map(record, origin)

    def activate_version(self, version: Any) -> None:
        """Tell the sinks that all records of a version have come."""
        for sink in self.sinks:
            sink.activate_version(version)

    def _reject(self, reason: str, origin: Origin) -> None:
        for sink in self.sinks:
            sink.record_dropped()
        self._services.rejects.reject(self.name, reason, origin)

    def _map(self, record: dict[str, Any], origin: Origin) -> None:
        for transform, sink in self._branches:
            try:
                mapped = transform(record)
            except StreamMapError as error:
                raise ConnectorError(f"Setting 'stream_maps', stream '{self.name}': {error}") from None
            except Exception as error:  # noqa: BLE001  # an expression of the user on a value of the record
                self._reject(f"stream map: an expression fails ({type(error).__name__})", origin)
                return
            if mapped is not None and sink is not None:
                sink.process_record(mapped, origin)
                continue
            self._services.skip("stream map", self.name)
            if sink is not None:
                sink.record_dropped()


class DecodedStream:
    """A stream whose records are decoded only as far as its sink needs.

    Attributes:
        process_record: Takes a record.
        messages: Decodes its RECORD messages.
        rows: Decodes the lines of its batch files.
    """

    def __init__(self, name: str, sink: StreamingSink, columns: Columns) -> None:
        self.name = name
        self.process_record = sink.process_record
        self.messages = MessageDecoder(name, columns)
        self.rows = RowDecoder(row_type(columns))


class Streams:
    """The streams that the input describes, and their sinks.

    Args:
        mapper: The stream maps.
        services: What all sinks share, and when to stop.
        make_sink: Returns a new sink for a stream.
        validate: Whether records are checked against their schemas.

    Attributes:
        records_read: How many records came so far, by the name that the tap gives their stream.
    """

    def __init__(
        self,
        mapper: PluginMapper,
        services: Services,
        make_sink: Callable[[Stream], StreamingSink],
        *,
        validate: bool,
    ) -> None:
        self._mapper = mapper
        self._services = services
        self._make_sink = make_sink
        self._validate = validate
        self.records_read: Counter[str] = Counter()
        self._streams: dict[str, InputStream] = {}
        self._sinks: dict[str, StreamingSink] = {}
        self._decoded: dict[str, DecodedStream] = {}
        self._dropped: dict[str, list[str]] = {}

    @property
    def names(self) -> list[str]:
        """Names of the streams as the tap sent them."""
        return list(self._streams)

    @property
    def sink_names(self) -> list[str]:
        """Names of the streams after stream maps."""
        return list(self._sinks)

    def get(self, name: str, message_type: str) -> InputStream:
        """Return a stream by the name that the tap gives it.

        Raises:
            ConnectorError: No SCHEMA described it.
        """
        try:
            return self._streams[name]
        except KeyError:
            raise ConnectorError(f"Stream '{name}': {message_type} came before SCHEMA. Fix the tap.") from None

    def decoded(self, name: str) -> DecodedStream | None:
        """Return a stream by the name that the tap gives it, if its sink decodes its messages itself."""
        return self._decoded.get(name)

    def take_decoded(self, stream: DecodedStream, rows: list[Row], block: bytes, origin_type: type[Line]) -> int:
        """Take the records of a block, or those before the stop signal; return how many were taken."""
        is_stopping, read = self._services.stopping.is_set, self.records_read
        process, name = stream.process_record, stream.name
        for position, row in enumerate(rows):
            if is_stopping():
                return position
            read[name] += 1
            process(row, origin_type(name, block, position))
        return len(rows)

    def set_up(self, stream: Stream) -> None:
        """Take a stream's SCHEMA, the first or a new one.

        Raises:
            ConnectorError: The stream cannot be loaded; the message names the setting.
        """
        name = stream.name
        try:
            known = compiled(stream.schema, stream.key_properties)
        except ValueError:
            raise ConnectorError(
                f"Stream '{name}': its schema is not a valid JSON Schema. Fix the tap, or its catalog."
            ) from None
        if known.dropped and known.dropped != self._dropped.get(name):
            self._services.logger.warning(
                "Stream '%s': rules of its schema are ignored because they are not valid: %s.",
                name,
                ", ".join(known.dropped),
            )
            self._dropped[name] = known.dropped
        try:
            # The mapper changes the schema that it is given.
            self._mapper.register_raw_stream_schema(name, copy.deepcopy(known.schema), stream.key_properties)
        except StreamMapError as error:
            raise ConnectorError(f"Setting 'stream_maps', stream '{name}': {error}") from None
        maps = self._mapper.stream_maps[name]
        branches = [(transform_of(one), self._sink_of(one, stream)) for one in maps]
        direct = branches[0][1] if len(maps) == 1 and is_unchanged(maps[0]) else None
        validator = known.validator if self._validate else None
        self._streams[name] = InputStream(name, validator, branches, direct, self._services)
        self._decoded.pop(name, None)
        if direct is not None and direct.columns is not None and validator is not None:
            self._decoded[name] = DecodedStream(name, direct, direct.columns)

    def _sink_of(self, stream_map: StreamMap, source: Stream) -> StreamingSink | None:
        """Return the sink of a stream map: the one at hand while the schema stays the same."""
        if isinstance(stream_map, RemoveRecordTransform):
            return None
        keys = list(stream_map.transformed_key_properties or [])
        stream = Stream(
            stream_map.stream_alias,
            stream_map.transformed_schema,
            keys,
            is_mapped=not is_unchanged(stream_map),
            is_incremental=source.is_incremental,
        )
        sink = self._sinks.get(stream.name)
        if sink is None or sink.stream != stream:
            sink = self._sinks[stream.name] = self._make_sink(stream)
        return sink


def is_unchanged(stream_map: StreamMap) -> bool:
    """Whether a stream map leaves records as they are."""
    return isinstance(stream_map, SameRecordTransform) and not stream_map.flattening_enabled


def transform_of(stream_map: StreamMap) -> Transform:
    """Return what makes of a record what a stream map makes of it; the record stays as it is."""
    if isinstance(stream_map, SameRecordTransform) and stream_map.flattening_enabled:
        return Flattener(stream_map).flatten

    def transform(record: dict[str, Any]) -> dict[str, Any] | None:
        mapped = stream_map.transform(copy.copy(record))
        return None if mapped is None else plain(mapped)

    return transform


def plain(record: dict[str, Any]) -> dict[str, Any]:
    """Return a mapped record with computed values as JSON has them, such as texts in place of dates."""
    for name, value in record.items():
        if type(value) not in JSON_TYPES:
            record[name] = msgspec.to_builtins(value, str_keys=True, enc_hook=str)
    return record
