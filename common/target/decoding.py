"""Decodes lines of Singer messages and of batch files."""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Iterator
from typing import IO, Any, cast

import msgspec

from .. import lenient_json
from ..errors import ConnectorError
from ..sdk_private import StorageTarget

GzipFile: Any = gzip.GzipFile
DAMAGE: tuple[type[Exception], ...] = (OSError, EOFError, zlib.error)
try:
    from isal import igzip, isal_zlib  # decompresses twice as fast
except ImportError:
    pass  # such as on Windows for ARM
else:
    GzipFile = igzip.IGzipFile
    DAMAGE = (*DAMAGE, isal_zlib.error)  # type: ignore[arg-type]  # typed as an instance

GZIP_MAGIC = b"\x1f\x8b"

decode = msgspec.json.Decoder().decode
# What decoding raises for what is not valid JSON, or nested too deeply.
UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


def decode_line(line: bytes, number: int) -> dict[str, Any]:
    """Decode one line of input.

    Raises:
        ConnectorError: It is not a JSON object. The message holds the line's number, not its content.
    """
    try:
        message = decode(line)
    except RecursionError:
        raise ConnectorError(f"Line {number} of the input is nested too deeply.") from None
    except (msgspec.DecodeError, UnicodeDecodeError):
        try:
            message = lenient_json.decoded(line)
        except (ValueError, RecursionError):
            raise ConnectorError(
                f"Line {number} of the input is not valid JSON. Is the tap's output complete?"
            ) from None
    if not isinstance(message, dict):
        raise ConnectorError(f"Line {number} of the input is not a Singer message.")
    return message


def batch_lines(stream: str, url: str) -> Iterator[bytes]:
    """Yield the lines of one JSON-lines batch file. Whether it is gzip is told by its first bytes.

    Raises:
        ConnectorError: The file cannot be read.
    """
    folder, name = StorageTarget.split_url(url)
    try:
        with StorageTarget.from_url(folder).open(name, mode="rb") as file, decompressed(cast(IO[bytes], file)) as lines:
            yield from lines
    except DAMAGE as error:
        raise ConnectorError(f"Stream '{stream}': a batch file cannot be read ({type(error).__name__}).") from error


def decompressed(file: IO[bytes]) -> IO[bytes]:
    """Return a file's content without gzip, whether it is compressed or not."""
    source = io.BufferedReader(cast(io.RawIOBase, file))
    if not source.peek(len(GZIP_MAGIC)).startswith(GZIP_MAGIC):
        return source
    return io.BufferedReader(cast(io.RawIOBase, GzipFile(fileobj=source)))  # its own reading of lines is slow
