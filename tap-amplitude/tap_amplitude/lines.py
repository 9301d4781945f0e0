"""A gzip stream to blocks of whole lines, never larger in memory than a row."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Iterator
from typing import Protocol

GZIP = 31  # zlib's number for "gzip header and check sum"
READ_BYTES = 1 << 16
# About 20 rows. Larger blocks fall out of the processor's cache between decoding and encoding: 256 kB cost 40 % more.
BLOCK_BYTES = 1 << 15
# A longer row is taken for damage, so that a bomb of one endless line fills no memory.
MAX_ROW_BYTES = 1 << 24


class Readable(Protocol):
    """What bytes can be read from."""

    def read(self, size: int, /) -> bytes:
        """Return the next bytes, none at the end."""


class Inflater(Protocol):
    """What unpacks one gzip member: `zlib.decompressobj(GZIP)`, or anything made like it."""

    @property
    def eof(self) -> bool:
        """Whether the member has ended."""

    @property
    def unused_data(self) -> bytes:
        """What came after it."""

    @property
    def unconsumed_tail(self) -> bytes:
        """What was given and not unpacked yet."""

    def decompress(self, data: bytes, max_length: int, /) -> bytes:
        """Return as much as is ready, but no more than so many bytes."""


def zlib_inflater() -> Inflater:
    """Return the standard library's inflater."""
    return zlib.decompressobj(GZIP)


def gunzip(compressed: Readable, inflater: Callable[[], Inflater] = zlib_inflater) -> Iterator[bytes]:
    """Yield pieces of bounded size of a gzip stream, which may have several members.

    Raises:
        zlib.error: It is no gzip, or its check sum is wrong. Another inflater raises an error of its own.
        EOFError: It ends too early.
    """
    inflate = inflater()
    data = compressed.read(READ_BYTES)
    while data:
        piece = inflate.decompress(data, BLOCK_BYTES)
        if piece:
            yield piece
        if inflate.eof:
            data = (inflate.unused_data or compressed.read(READ_BYTES)).lstrip(b"\0")
            inflate = inflater() if data else inflate
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
