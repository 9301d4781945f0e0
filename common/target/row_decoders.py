"""Decodes only the columns of records that are needed, and whole blocks of lines where possible.

A line or block is refused if it holds anything but records of the stream that keep its schema in these columns.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from ..lenient_json import repaired
from .decoding import UNREADABLE, line_feeds

REFUSED = (*UNREADABLE, ValueError)

# After a block that was refused, so many blocks at most are read line by line before another is tried.
MOST_BLOCKS_BY_LINE = 16

Row = dict[str, Any]


class RowDecoder:
    """Decodes lines that are records.

    Args:
        decoder: Decodes a record.
    """

    def __init__(self, decoder: msgspec.json.Decoder[Any]) -> None:
        self._decode = decoder.decode
        self._decode_lines = decoder.decode_lines
        self._blocks_by_line = self._pause = 0

    def line(self, line: bytes) -> Row | None:
        """Return the record of a line; None when the line is refused."""
        read: Row | None = decoded(self._decode, line)
        return read

    def block(self, block: bytes) -> list[Row] | None:
        """Return the record of each line; None when the block is to be read line by line."""
        if self._blocks_by_line:
            self._blocks_by_line -= 1
            return None
        read: list[Row] | None = decoded(self._decode_lines, block)
        if read is None or len(read) != line_feeds(block) + (not block.endswith(b"\n")):
            # Refused, or blank lines: the position of a record would not be its line's.
            self._pause = self._blocks_by_line = min(2 * self._pause + 1, MOST_BLOCKS_BY_LINE)
            return None
        self._pause = 0
        return read


class MessageDecoder(RowDecoder):
    """Decodes lines that are RECORD messages.

    Args:
        decoder: Decodes a message into a struct with `record`.
    """

    def line(self, line: bytes) -> Row | None:
        """Return the record of a line; None when the line is refused."""
        message: Any = super().line(line)
        return None if message is None else message.record

    def block(self, block: bytes) -> list[Row] | None:
        """Return the record of each line; None when the block is to be read line by line."""
        messages: list[Any] | None = super().block(block)
        return None if messages is None else [message.record for message in messages]


def decoded(decode: Callable[[bytes], Any], text: bytes) -> Any:
    """Return what a text decodes to, if need be without NaN and halves of surrogate pairs; None where it does not."""
    try:
        return decode(text)
    except REFUSED:
        fixed = repaired(text)
    if fixed is text:
        return None
    try:
        return decode(fixed)
    except REFUSED:
        return None
