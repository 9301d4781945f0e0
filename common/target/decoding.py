"""Decodes lines of Singer messages and of batch files."""

from __future__ import annotations

import gzip
import io
import re
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

# What JSON does not allow and Python's own writer, and so many a tap, writes.
NOT_A_NUMBER = re.compile(rb"NaN|Infinity")
ESCAPED = re.compile(rb"\\.", re.DOTALL)
# An escape in a text; the halves of a surrogate pair in its groups.
ESCAPE = re.compile(rb"\\(?:u([dD][89abAB]..)(\\u[dD][c-fC-F]..)?|u([dD][c-fC-F]..)|.)", re.DOTALL)

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
            message = lenient_json.decoded(repaired(line))
        except (ValueError, RecursionError):
            raise ConnectorError(
                f"Line {number} of the input is not valid JSON. Is the tap's output complete?"
            ) from None
    if not isinstance(message, dict):
        raise ConnectorError(f"Line {number} of the input is not a Singer message.")
    return message


def repaired(line: bytes) -> bytes:
    """Return a line with null in place of NaN and Infinity, and U+FFFD in place of halves of surrogate pairs.

    It is the same object when there is nothing to repair.
    """
    fixed = without_nan(line) if b"NaN" in line or b"Infinity" in line else line
    if b"\\ud" in line or b"\\uD" in line:
        fixed = ESCAPE.sub(lambda match: rb"\ufffd" if is_half(match) else match[0], fixed)
    return line if fixed == line else fixed


def is_half(escape: re.Match[bytes]) -> bool:
    """Whether an escape is half of a surrogate pair."""
    high, low, lone_low = escape.groups()
    return lone_low is not None or (high is not None and low is None)


def without_nan(line: bytes) -> bytes:
    """Return a line with null in place of NaN and Infinity outside of texts."""
    quotes = ESCAPED.sub(b"__", line) if b"\\" in line else line  # as long as the line, without escaped quotes
    pieces, end, is_text = [], 0, False
    for match in NOT_A_NUMBER.finditer(quotes):
        start = match.start()
        is_text ^= bool(quotes.count(b'"', end, start) % 2)
        before = line[end:start]
        pieces += [before, match[0]] if is_text else [before.removesuffix(b"-"), b"null"]
        end = match.end()
    return b"".join((*pieces, line[end:]))


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
