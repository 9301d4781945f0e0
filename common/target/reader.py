"""Reads Singer messages from a pipe as bytes, without ever blocking for long."""

from __future__ import annotations

import os
import select
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import IO, Any

from singer_sdk.singerlib.encoding.base import GenericSingerReader

from .decoding import BLOCK_BYTES

# How long the input may be silent before `tick` runs, in seconds.
IDLE_SECONDS = 0.5


def blocks(source: IO[Any], stopping: threading.Event, tick: Callable[[], None]) -> Iterator[bytes]:
    """Yield the input in blocks of whole lines; the last line of a block may lack its line feed.

    Args:
        source: A pipe, a file, or text in memory.
        stopping: Set to stop reading; an incomplete last line is then left out.
        tick: Called after each block, and when there is no input for `IDLE_SECONDS`.
    """
    try:
        descriptor = source.fileno()
    except (OSError, AttributeError):  # in memory
        for line in source:
            yield line.encode() if isinstance(line, str) else line
            tick()
        return
    pieces: list[bytes] = []  # of a line that is not complete yet
    while not stopping.is_set():
        if select.select([descriptor], [], [], IDLE_SECONDS)[0]:
            chunk = os.read(descriptor, BLOCK_BYTES)
            if not chunk:
                break
            end = chunk.rfind(b"\n") + 1
            if end:
                yield b"".join((*pieces, chunk[:end]))
                pieces.clear()
            if end < len(chunk):
                pieces.append(chunk[end:])
        tick()
    if pieces and not stopping.is_set():
        yield b"".join(pieces)


class MessageReader(GenericSingerReader[bytes]):
    """Hands the input to the target as a whole; the SDK's own loop reads line by line and blocks.

    Attributes:
        process_input: Processes all messages of an input; returns how many of each type were processed.
    """

    process_input: Callable[[IO[Any]], Counter[str]]

    @property
    def default_input(self) -> IO[bytes]:
        """Standard input, as bytes."""
        return sys.stdin.buffer

    def process_lines(
        self,
        file_input: IO[Any] | None,
        callbacks: Mapping[str, Callable[[dict[str, Any]], None]],
    ) -> Counter[str]:
        """Process all messages; return how many of each type were processed."""
        return self.process_input(file_input or self.default_input)

    def deserialize_json(self, line: bytes) -> dict[str, Any]:
        """Not used: `process_input` decodes."""
        raise NotImplementedError
