"""Gzip: Intel's ISA-L where there is a wheel of it (twice as fast to decompress, six times to compress), else zlib."""

from __future__ import annotations

import zlib
from typing import Any

library: Any = zlib
DAMAGE: tuple[type[Exception], ...] = (zlib.error, EOFError)
try:
    from isal import isal_zlib
except ImportError:
    pass  # such as Windows on ARM
else:
    library = isal_zlib
    DAMAGE = (*DAMAGE, isal_zlib.error)  # type: ignore[arg-type]  # typed as an instance

GZIP = 31  # zlib's number for "gzip header and check sum"
# Compressing with ISA-L at this level costs less than writing what it saves. Better levels are slower, to save a fifth
# of the size of a file that is read once.
LEVEL = 1


def compressor() -> Any:
    """Return a new compressor of one gzip file, as `zlib.compressobj` makes them."""
    return library.compressobj(LEVEL, zlib.DEFLATED, GZIP)


def decompressor() -> Any:
    """Return a new decompressor of one gzip member, as `zlib.decompressobj` makes them."""
    return library.decompressobj(GZIP)
