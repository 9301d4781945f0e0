"""Keeps the input of records that wait to be merged, compressed, so that they can be rejected as they came."""

from __future__ import annotations

from typing import Any

from target_amplitude.common.compression import FASTEST_LEVEL, compressor, decompressor
from target_amplitude.common.target.delivery import Line, Origin


class CompressedLine(Origin, gc=False):
    """A record in a line.

    Attributes:
        kind: Reads the line.
        block: The lines around it, compressed.
        position: Which of them it is, from 0.
    """

    kind: type[Line]
    block: bytes
    position: int

    def record(self) -> Any:
        """Return the record as the tap sent it."""
        return self.kind(self.stream, decompressor().decompress(self.block), self.position).record()


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
        if not isinstance(origin, Line):
            return origin
        if origin.block is not self._block:
            compress = compressor(FASTEST_LEVEL)
            self._block, self._compressed = origin.block, compress.compress(origin.block) + compress.flush()
            self.size += len(self._compressed)
        return CompressedLine(origin.stream, type(origin), self._compressed, origin.position)
