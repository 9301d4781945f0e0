"""What all readers share: rows, errors, and streams that are decompressed by their first bytes."""

from __future__ import annotations

import gzip
import io
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any

BUFFER_BYTES = 256 * 1024
GZIP_MAGIC = b"\x1f\x8b"
OTHER_COMPRESSIONS = {
    "xz": re.compile(rb"\xfd7zXZ\0"),
    "bzip2": re.compile(rb"BZh[1-9](1AY&SY|\x17\x72\x45\x38\x50\x90)"),  # of a first block, of a file without any
    "zstd": re.compile(rb"\x28\xb5\x2f\xfd"),
    "zip": re.compile(rb"PK\x03\x04"),
}


class DamagedFileError(Exception):
    """A file that cannot be read, or not to its end. The message completes a sentence that begins with its name."""


class UnknownFormatError(Exception):
    """A file whose content is in no format that a reader knows. The message is as that of `DamagedFileError`."""


@contextmanager
def decompressed(stream: IO[bytes]) -> Iterator[io.BufferedReader[Any]]:
    """Yield a buffered stream, decompressed if its first bytes are those of gzip, whatever the name says."""
    with io.BufferedReader(stream, BUFFER_BYTES) as plain:  # type: ignore[type-var]  # fsspec's files are raw streams
        if plain.peek(2)[:2] != GZIP_MAGIC:
            yield plain
            return
        with io.BufferedReader(gzip.GzipFile(fileobj=plain), BUFFER_BYTES) as content:
            yield content


def other_compression(head: bytes) -> str | None:
    """Return the name of the compression, other than gzip, that a file's first bytes tell; None without one."""
    return next((name for name, magic in OTHER_COMPRESSIONS.items() if magic.match(head)), None)


@contextmanager
def seekable(stream: io.BufferedReader[Any]) -> Iterator[IO[bytes]]:
    """Yield a seekable stream: the given one, or a temporary file with what it decompresses to."""
    if not isinstance(stream.raw, gzip.GzipFile) and stream.seekable():
        yield stream
        return
    with tempfile.TemporaryFile() as copy:
        shutil.copyfileobj(stream, copy)
        copy.seek(0)
        yield copy
