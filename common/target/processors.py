"""What each type of message does."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping

from ..lenient_json import repaired
from .decoding import batch_blocks, decode_line, line_feeds
from .delivery import BatchLine, MessageLine
from .message_loop import Processor
from .messages import Message, batch_of, record_of, schema_of, state_of, version_of
from .services import Services, Stream
from .streams import InputStream, Streams


class Processors:
    """Process messages, one at a time. Each method raises `ConnectorError` for a message that is malformed.

    Args:
        streams: Take the records.
        services: Hold STATE back, and tell when to stop.
        note_schema: Is told of each stream as the tap describes it.
        tick: Called now and then while a batch file is read.
    """

    def __init__(
        self,
        streams: Streams,
        services: Services,
        note_schema: Callable[[Stream], None],
        tick: Callable[[], None],
    ) -> None:
        self._streams = streams
        self._checkpoints = services.checkpoints
        self._stopping = services.stopping
        self._note_schema = note_schema
        self._tick = tick

    def by_type(self) -> Mapping[str, Processor]:
        """Return what processes each type of message."""
        return {
            "RECORD": self._record,
            "SCHEMA": self._schema,
            "STATE": self._state,
            "BATCH": self._batch,
            "ACTIVATE_VERSION": self._activate_version,
        }

    def _record(self, message: Message, origin: MessageLine) -> None:
        name, record = record_of(message)
        self._streams.records_read[name] += 1
        self._streams.get(name, "RECORD").take(record, origin)

    def _schema(self, message: Message, _: MessageLine) -> None:
        stream = schema_of(message)
        self._note_schema(stream)
        self._streams.set_up(stream)

    def _state(self, message: Message, origin: MessageLine) -> None:
        line = origin.line
        if repaired(line) is not line:
            message = json.loads(line)  # passed on as it came, whatever it holds
        self._checkpoints.state(state_of(message))

    def _activate_version(self, message: Message, _: MessageLine) -> None:
        name, version = version_of(message)
        self._streams.get(name, "ACTIVATE_VERSION").activate_version(version)

    def _batch(self, message: Message, _: MessageLine) -> None:
        name, urls, are_packed = batch_of(message)
        stream = self._streams.get(name, "BATCH")
        for url in urls:
            lines = 0
            for block in batch_blocks(name, url, is_packed=are_packed):
                if not self._take_rows(name, block):
                    self._take_lines(stream, block, lines)
                if self._stopping.is_set():
                    return
                lines += line_feeds(block)
                self._tick()

    def _take_rows(self, name: str, block: bytes) -> bool:
        """Take a block of a batch file whose lines all decode to the needed columns; return whether they do."""
        stream = self._streams.decoded(name)
        rows = None if stream is None else stream.rows.block(block)
        if stream is None or rows is None:
            return False
        self._streams.take_decoded(stream, rows, block, BatchLine)
        return True

    def _take_lines(self, stream: InputStream, block: bytes, before: int) -> None:
        """Take a block of a batch file line by line; `before` is the number of lines before it."""
        decoded = self._streams.decoded(stream.name)
        for position, line in enumerate(block.split(b"\n")):
            if self._stopping.is_set():
                return
            if not line or line.isspace():
                continue
            self._streams.records_read[stream.name] += 1
            origin = BatchLine(stream.name, block, position)
            row = None if decoded is None else decoded.rows.line(line)
            if decoded is not None and row is not None:
                decoded.process_record(row, origin)
            else:
                stream.take(decode_line(line, before + position + 1, stream.name), origin)
