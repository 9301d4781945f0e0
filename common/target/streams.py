"""A stream of the input: checks its records, maps them, and hands them to its sinks."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

from singer_sdk.exceptions import MappingError as StreamMapError
from singer_sdk.mapper import StreamMap

from ..errors import ConnectorError
from .decoding import decode_line
from .delivery import BatchLine, Origin
from .services import Services
from .sink import StreamingSink
from .validation import RustValidator, is_valid

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
            self._reject(self._validator.problem(record), record)
        elif self.direct is not None:
            self.direct.process_record(record, origin)
        else:
            self._map(record, origin)

    def take_file(self, url: str) -> bool:
        """Take a whole batch file, if the sink has a better way than line by line; return whether it does."""
        return self.direct is not None and self._validator is not None and self.direct.take_file(url, self.problem)

    def take_batch_line(self, line: bytes, origin: BatchLine) -> None:
        """Take a line of a batch file.

        Raises:
            ConnectorError: It is not a JSON object, or as `take`.
        """
        read = None if self._validator is None or self.direct is None else self.direct.take_line(line)
        if read is not None and self.direct is not None:
            self.direct.process_record(read, origin)
        else:
            self.take(decode_line(line, origin.number), origin)

    def problem(self, record: dict[str, Any]) -> str | None:
        """Return how a record breaks the schema; None when it does not."""
        if self._validator is None or is_valid(self._validator, record):
            return None
        return self._validator.problem(record)

    def activate_version(self, version: Any) -> None:
        """Tell the sinks that all records of a version have come."""
        for sink in self.sinks:
            sink.activate_version(version)

    def _reject(self, reason: str, record: dict[str, Any]) -> None:
        for sink in self.sinks:
            sink.record_dropped()
        self._services.rejects.reject(self.name, reason, record)

    def _map(self, record: dict[str, Any], origin: Origin) -> None:
        for stream_map, sink in self._branches:
            try:
                mapped = stream_map.transform(copy.copy(record))
            except StreamMapError as error:
                raise ConnectorError(f"Setting 'stream_maps', stream '{self.name}': {error}") from None
            if mapped is not None and sink is not None:
                sink.process_record(mapped, origin)
                continue
            self._services.summary.add("records_skipped", 1, "stream map", self.name)
            if sink is not None:
                sink.record_dropped()
