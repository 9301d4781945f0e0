"""A stream, gzipped or not, to blocks of whole lines, never larger in memory than a row."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import IO

from tap_amplitude.common.compression import decompressor

READ_BYTES = 1 << 16
GZIP_MAGIC = b"\x1f\x8b"
# What JSON may begin with: a byte order mark, blanks, an object, a list.
PLAIN_JSON = re.compile(rb"(\xef\xbb\xbf)?\s*([{\[]|$)")
# About 40 rows. Larger blocks fall out of the processor's cache between decoding and encoding: 256 kB cost 40 % more.
BLOCK_BYTES = 1 << 16
# A longer row is taken for damage, so that a bomb of one endless line fills no memory.
MAX_ROW_BYTES = 1 << 24


def decompressed(source: IO[bytes]) -> Iterator[bytes]:
    """Yield pieces of bounded size of a stream of JSON lines, which is gzipped as a rule but need not be.

    Raises:
        compression.DAMAGE: It is neither JSON lines nor gzip, its check sum is wrong, or it ends too early.
    """
    head = source.read(READ_BYTES)
    while len(head) < len(GZIP_MAGIC) and (more := source.read(READ_BYTES)):
        head += more
    if not head.startswith(GZIP_MAGIC) and PLAIN_JSON.match(head):
        yield head
        while piece := source.read(BLOCK_BYTES):
            yield piece
    else:
        yield from gunzip(head, source)


def gunzip(data: bytes, compressed: IO[bytes]) -> Iterator[bytes]:
    """Yield pieces of bounded size of a gzip stream, which may have several members; `data` is its beginning.

    Raises:
        compression.DAMAGE: It is not gzip, its check sum is wrong, or it ends too early.
    """
    inflate = decompressor()
    while data:
        piece = inflate.decompress(data, BLOCK_BYTES)
        if piece:
            yield piece
        if inflate.eof:
            data = (inflate.unused_data or compressed.read(READ_BYTES)).lstrip(b"\0")
            inflate = decompressor() if data else inflate
        else:
            data = inflate.unconsumed_tail or compressed.read(READ_BYTES)
    if not inflate.eof:
        raise EOFError("unexpected end")


def whole_lines(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Yield blocks that end at the end of a line; the last line may lack its line feed.

    A line too long to be a row is cut to its beginning.
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
