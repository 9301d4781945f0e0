"""Keeps the input of records that wait to be merged, compressed, so that they can be rejected as they came."""

from __future__ import annotations

from typing import Any

from target_amplitude.common.compression import compressor, decompressor
from target_amplitude.common.target.delivery import MessageLine, Origin


class CompressedLine(Origin, gc=False):
    """A record in a RECORD message.

    Attributes:
        block: Lines of the input, compressed.
        position: Which of them holds the message, from 0.
    """

    block: bytes
    position: int

    def record(self) -> Any:
        """Return the record as the tap sent it."""
        return MessageLine(self.stream, decompressor().decompress(self.block), self.position).record()


class KeptInput:
    """Makes origins that take little memory, for records that wait.

    Attributes:
        size: Bytes of the input that they keep in memory, of all origins so far.
    """

    def __init__(self) -> None:
        self.size = 0
        self._block = self._compressed = b""

    def keep(self, origin: Origin) -> Origin:
        """Return an origin of the same record."""
        if not isinstance(origin, MessageLine):
            self.size += len(getattr(origin, "line", b""))
            return origin
        if origin.block is not self._block:
            compress = compressor()
            self._block, self._compressed = origin.block, compress.compress(origin.block) + compress.flush()
            self.size += len(self._compressed)
        return CompressedLine(origin.stream, self._compressed, origin.position)
