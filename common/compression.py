"""Gzip: zlib-ng where there is a wheel of it (twice as fast as zlib), else zlib.

Intel's ISA-L is faster still. But where we measured it, on a processor with AVX-512, all that a thread did after its
first decompression took a third longer.
"""

from __future__ import annotations

import gzip
import zlib
from typing import Any

library: Any = zlib
GzipFile: Any = gzip.GzipFile
DAMAGE: tuple[type[Exception], ...] = (zlib.error, EOFError)
try:
    from zlib_ng import gzip_ng, zlib_ng
except ImportError:
    pass  # a processor or system that there is no wheel for
else:
    library, GzipFile = zlib_ng, gzip_ng.GzipNGFile
    DAMAGE = (*DAMAGE, zlib_ng.error)  # type: ignore[arg-type]  # typed as an instance

GZIP = 31  # zlib's number for "gzip header and check sum"
# Of zlib-ng, the level that writes three quarters of what the fastest does; the next ones cost more than they save.
LEVEL = 2
# A third larger, for a quarter less time: for files that are read once and nearby.
FASTEST_LEVEL = 1


def compressor(level: int = LEVEL) -> Any:
    """Return a new compressor of one gzip file, as `zlib.compressobj` makes them."""
    return library.compressobj(level, zlib.DEFLATED, GZIP)


def decompressor() -> Any:
    """Return a new decompressor of one gzip member, as `zlib.decompressobj` makes them."""
    return library.decompressobj(GZIP)
