"""The streams of the input: each checks its records, maps them, and hands them to its sinks."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from singer_sdk.exceptions import MappingError as StreamMapError
from singer_sdk.mapper import PluginMapper, RemoveRecordTransform, SameRecordTransform, StreamMap

from ..errors import ConnectorError
from .delivery import BatchLine, Origin
from .services import Services, Stream
from .sink import StreamingSink, TestStreamSink
from .validation import RustValidator, is_valid

# The stream that `meltano config test` sends.
TEST_STREAM = "meltano_test_stream"

Branch = tuple[StreamMap, StreamingSink | None]


class InputStream:
    """Takes the records of one stream.

    Args:
        name: Its name.
        validator: Checks what the tap sent, before stream maps; None to take everything.
        branches: Its stream maps, each with its sink; no sink where a map removes the stream.
        direct: The only sink, when no stream map changes its records.
        services: What all sinks share.
    """

    def __init__(
        self,
        name: str,
        validator: RustValidator | None,
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
        if self._validator is not None and not is_valid(self._validator, record):
            self._reject(self._validator.problem(record), origin)
        elif self.direct is not None:
            self.direct.process_record(record, origin)
        else:
            self._map(record, origin)

    def take_file(self, url: str) -> bool:
        """Take a whole batch file, if the sink has a better way than line by line; return whether it does."""
        return self.direct is not None and self._validator is not None and self.direct.take_file(url, self.problem)

    def take_batch_line(self, origin: BatchLine) -> None:
        """Take a line of a batch file.

        Raises:
            ConnectorError: It is not a JSON object, or as `take`.
        """
        read = None if self._validator is None or self.direct is None else self.direct.take_line(origin.line)
        if read is not None and self.direct is not None:
            self.direct.process_record(read, origin)
        else:
            self.take(origin.record(), origin)

    def problem(self, record: dict[str, Any]) -> str | None:
        """Return how a record breaks the schema; None when it does not."""
        if self._validator is None or is_valid(self._validator, record):
            return None
        return self._validator.problem(record)

    def activate_version(self, version: Any) -> None:
        """Tell the sinks that all records of a version have come."""
        for sink in self.sinks:
            sink.activate_version(version)

    def _reject(self, reason: str, origin: Origin) -> None:
        for sink in self.sinks:
            sink.record_dropped()
        self._services.rejects.reject(self.name, reason, origin)

    def _map(self, record: dict[str, Any], origin: Origin) -> None:
        for stream_map, sink in self._branches:
            try:
                mapped = stream_map.transform(copy.copy(record))
            except StreamMapError as error:
                raise ConnectorError(f"Setting 'stream_maps', stream '{self.name}': {error}") from None
            if mapped is not None and sink is not None:
                sink.process_record(mapped, origin)
                continue
            self._services.skip("stream map", self.name)
            if sink is not None:
                sink.record_dropped()


@dataclass(frozen=True)
class FastStream:
    """The stream whose SCHEMA came last, if its sink decodes whole messages.

    Attributes:
        stream: Its name.
        decoder: Decodes RECORD messages of the stream into structs with `record`, and refuses every other line.
        process_record: Takes the record.
    """

    stream: str
    decoder: msgspec.json.Decoder[Any]
    process_record: Callable[[dict[str, Any], Origin], None]


class Streams:
    """The streams that the input describes, and their sinks.

    Args:
        mapper: The stream maps.
        services: What all sinks share.
        make_sink: Returns a new sink for a stream.
        validate: Whether records are checked against their schemas.

    Attributes:
        fast: The stream whose messages a sink decodes itself, if there is one.
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
        self._streams: dict[str, InputStream] = {}
        self._sinks: dict[str, StreamingSink] = {}
        self.fast: FastStream | None = None

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

    def set_up(self, stream: Stream) -> None:
        """Take a stream's SCHEMA, the first or a new one.

        Raises:
            ConnectorError: The stream cannot be loaded; the message names the setting.
        """
        name = stream.name
        try:
            # The mapper changes the schema that it is given.
            self._mapper.register_raw_stream_schema(name, copy.deepcopy(stream.schema), stream.key_properties)
        except StreamMapError as error:
            raise ConnectorError(f"Setting 'stream_maps', stream '{name}': {error}") from None
        branches = [(one, self._sink_of(one, stream)) for one in self._mapper.stream_maps[name]]
        direct = branches[0][1] if len(branches) == 1 and is_unchanged(branches[0][0]) else None
        validator = validator_of(stream) if self._validate else None
        self._streams[name] = InputStream(name, validator, branches, direct, self._services)
        decoder = None if direct is None else direct.message_decoder
        self.fast = None
        if direct is not None and decoder is not None:
            self.fast = FastStream(name, decoder, direct.process_record)

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
            sink = TestStreamSink(stream, self._services) if stream.name == TEST_STREAM else self._make_sink(stream)
            self._sinks[stream.name] = sink
        return sink


def is_unchanged(stream_map: StreamMap) -> bool:
    """Whether a stream map leaves records as they are."""
    return isinstance(stream_map, SameRecordTransform) and not stream_map.flattening_enabled


def validator_of(stream: Stream) -> RustValidator:
    """Return what checks a stream's records.

    Raises:
        ConnectorError: Its schema is not valid.
    """
    try:
        return RustValidator(stream.schema, stream.key_properties)
    except ValueError:
        raise ConnectorError(
            f"Stream '{stream.name}': its schema is not a valid JSON Schema. Fix the tap, or its catalog."
        ) from None
