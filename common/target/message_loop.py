"""The loop over the messages of the input.

Nearly all messages are records, one stream after the other. Where the sink of a stream decodes its messages itself,
whole blocks of them take the short way; every other line is decoded as a whole and goes to the processor of its type.
Both ways give the same: a record that the short way refuses is judged by the long one.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterable, Mapping

from ..errors import ConnectorError
from .decoding import UNREADABLE, decode, decode_line
from .delivery import MessageLine
from .messages import Message
from .streams import DecodedStream, Streams

Processor = Callable[[Message, MessageLine], None]


class MessageLoop:
    """Processes blocks of lines.

    Args:
        streams: Take the records.
        processors: By type of message, what processes it.
        stopping: Set when no further message is to be processed.
    """

    def __init__(self, streams: Streams, processors: Mapping[str, Processor], stopping: threading.Event) -> None:
        self._streams = streams
        self._processors = processors
        self._stopping = stopping
        self._current: DecodedStream | None = None  # the stream of the last record
        self._counts: Counter[str] = Counter()
        self._number = 0  # of the last line

    def run(self, blocks: Iterable[bytes]) -> Counter[str]:
        """Process all messages, or those before the stop signal; return how many of each type were processed.

        Raises:
            ConnectorError: A message is malformed, or something cannot be delivered.
        """
        for block in blocks:
            if not self._take_block(block):
                self._take_lines(block)
        return self._counts

    def _take_block(self, block: bytes) -> bool:
        """Take a block of nothing but records of the current stream; return whether it was one."""
        stream = self._current
        records = None if stream is None else stream.messages.block(block)
        if stream is None or records is None:
            return False
        taken = self._streams.take_decoded(stream, records, block, MessageLine)
        self._counts["RECORD"] += taken
        self._number += taken
        return True

    def _take_lines(self, block: bytes) -> None:
        for position, line in enumerate(block.split(b"\n")):
            if self._stopping.is_set():
                return
            self._number += 1
            stream = self._current
            record = None if stream is None or not line else stream.messages.line(line)
            if stream is not None and record is not None:
                self._streams.records_read[stream.name] += 1
                self._counts["RECORD"] += 1
                stream.process_record(record, MessageLine(stream.name, block, position))
            elif line and not line.isspace():
                self._take_message(read_message(line, self._number), block, position)
        self._number -= block.endswith(b"\n")  # nothing stands behind the last line feed

    def _take_message(self, message: Message, block: bytes, position: int) -> None:
        kind, name = message["type"], message.get("stream")
        process = self._processors.get(kind)
        if process is None:
            raise ConnectorError(f"Line {self._number} of the input is not a Singer message: its 'type' is unknown.")
        process(message, MessageLine(str(name), block, position))
        self._counts[kind] += 1
        if kind in {"RECORD", "SCHEMA"}:
            self._current = self._streams.decoded(str(name))


def read_message(line: bytes, number: int) -> Message:
    """Decode a message.

    Raises:
        ConnectorError: It is not valid, or has no type.
    """
    try:
        message = decode(line)
        message["type"]
    except (*UNREADABLE, KeyError, TypeError):  # rare, so that looking closer may take long
        message = decode_line(line, number)
    if not isinstance(message, dict) or not isinstance(message.get("type"), str):
        raise ConnectorError(f"Line {number} of the input is not a Singer message: its 'type' is unknown.")
    return message
