"""Decodes lines of Singer messages and of batch files."""

from __future__ import annotations

import gzip
import io
from collections.abc import Iterator
from typing import IO, Any, cast

import msgspec

from .. import compression, lenient_json
from ..errors import ConnectorError
from ..sdk_private import StorageTarget

DAMAGE: tuple[type[Exception], ...] = (OSError, *compression.DAMAGE)

DAMAGES: dict[type[Exception], str] = {
    FileNotFoundError: "there is no such file",
    IsADirectoryError: "it is a folder",
    EOFError: "it is cut off",
    gzip.BadGzipFile: "its compression is damaged",
}

GZIP_MAGIC = b"\x1f\x8b"

# So much is read at a time. More records than that do not stay in the processor's cache until they are processed.
BLOCK_BYTES = 1 << 17

decode = msgspec.json.Decoder().decode
# What decoding raises for what is not valid JSON, or nested too deeply.
UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


def decode_line(line: bytes, number: int, batch_of: str | None = None) -> dict[str, Any]:
    """Decode one line.

    Args:
        line: A line of the input, or of a batch file.
        number: Its number, from 1.
        batch_of: The stream whose batch file it is from.

    Raises:
        ConnectorError: It is not a JSON object. The message holds the line's number, not its content.
    """
    place = f"Line {number} of the input" if batch_of is None else f"Stream '{batch_of}': line {number} of a batch file"
    try:
        message = decode(line)
    except RecursionError:
        raise ConnectorError(f"{place} is nested too deeply.") from None
    except (msgspec.DecodeError, UnicodeDecodeError):
        try:
            message = lenient_json.decoded(line)
        except (ValueError, RecursionError):
            raise ConnectorError(f"{place} is not valid JSON. Is the tap's output complete?") from None
    if not isinstance(message, dict):
        raise ConnectorError(f"{place} is not a {'Singer message' if batch_of is None else 'JSON object'}.")
    return message


def line_feeds(block: bytes) -> int:
    """Return how many line feeds a block holds, eight times as fast as `bytes.count` does."""
    return len(block) - len(block.replace(b"\n", b""))


def batch_blocks(stream: str, url: str, *, is_packed: bool) -> Iterator[bytes]:
    """Yield whole lines of one JSON-lines batch file, about `BLOCK_BYTES` each time.

    Whether it is gzip is told by its first bytes.

    Args:
        stream: The stream, for messages.
        url: The file.
        is_packed: Whether it is said to be gzip: then a file without any byte is damaged, not empty.

    Raises:
        ConnectorError: The file cannot be read.
    """
    folder, name = StorageTarget.split_url(url)
    try:
        with (
            StorageTarget.from_url(folder).open(name, mode="rb") as file,
            decompressed(cast(IO[bytes], file), is_packed=is_packed) as lines,
        ):
            while block := lines.read(BLOCK_BYTES):
                yield block + lines.readline()
    except DAMAGE as error:
        why = DAMAGES.get(type(error), type(error).__name__)
        raise ConnectorError(
            f"Stream '{stream}': the batch file {name} cannot be read ({why}). Run the tap again from the last STATE."
        ) from error


def decompressed(file: IO[bytes], *, is_packed: bool) -> IO[bytes]:
    """Return a file's content without gzip, whether it is compressed or not.

    Raises:
        EOFError: It is empty, and said to be compressed.
    """
    source = io.BufferedReader(cast(io.RawIOBase, file))
    start = source.peek(len(GZIP_MAGIC))
    if is_packed and not start:
        raise EOFError
    if not start.startswith(GZIP_MAGIC):
        return source
    return cast(IO[bytes], compression.GzipFile(fileobj=source))
