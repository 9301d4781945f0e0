"""A gzip stream to blocks of whole lines, never larger in memory than a row."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Protocol

from tap_amplitude.common.compression import unpacker

READ_BYTES = 1 << 16
# About 20 rows. Larger blocks fall out of the processor's cache between decoding and encoding: 256 kB cost 40 % more.
BLOCK_BYTES = 1 << 15
# A longer row is taken for damage, so that a bomb of one endless line fills no memory.
MAX_ROW_BYTES = 1 << 24


class Readable(Protocol):
    """What bytes can be read from."""

    def read(self, size: int, /) -> bytes:
        """Return the next bytes, none at the end."""


def gunzip(compressed: Readable) -> Iterator[bytes]:
    """Yield pieces of bounded size of a gzip stream, which may have several members.

    Raises:
        packing.DAMAGE: It is no gzip, its check sum is wrong, or it ends too early.
    """
    inflate = unpacker()
    data = compressed.read(READ_BYTES)
    while data:
        piece = inflate.decompress(data, BLOCK_BYTES)
        if piece:
            yield piece
        if inflate.eof:
            data = (inflate.unused_data or compressed.read(READ_BYTES)).lstrip(b"\0")
            inflate = unpacker() if data else inflate
        else:
            data = inflate.unconsumed_tail or compressed.read(READ_BYTES)
    if not inflate.eof:
        raise EOFError("it ends too early")


def whole_lines(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Yield blocks that end at the end of a line; the last line may lack its line feed.

    Of a line that is too long to be a row only the beginning is given on, as a line of its own.
    """
    parts: list[bytes] = []
    size = 0
    for piece in pieces:
        end = piece.rfind(b"\n") + 1
        if not end:
            parts.append(piece)
            size += len(piece)
            if size > MAX_ROW_BYTES:
                del parts[1:]
            continue
        if size > MAX_ROW_BYTES:
            end_of_long_line = piece.find(b"\n")
            yield parts[0] + piece[end_of_long_line:end]
        else:
            yield b"".join((*parts, piece[:end]))
        rest = piece[end:]
        parts, size = [rest] if rest else [], len(rest)
    if parts:
        yield b"".join(parts)
