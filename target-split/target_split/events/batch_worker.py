"""Program that makes events of the records in batch files. The target runs several: Python keeps one core busy.

It reads tasks from standard input, a line of JSON each, and answers each with frames: four bytes of length (big-endian)
and a `Portion` in MessagePack. It ends with its input. It imports nothing of the SDK, which loads slowly.
"""

from __future__ import annotations

import gzip
import io
import signal
import sys
import zlib
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import IO, cast

import msgspec

from target_split.events.converter import Converter, Recipe
from target_split.events.event import UnfitError

LENGTH_BYTES = 4

# Memory of both processes is bounded by portions.
PORTION_BYTES = 500_000


class Task(msgspec.Struct):
    """A batch file to convert.

    Attributes:
        recipe: How: a `Recipe`. As it stands in the line, for the same one comes again and again.
        path: The file.
        packed: Whether it is gzip.
    """

    recipe: msgspec.Raw
    path: str
    packed: bool


class Portion(msgspec.Struct):
    """Some of a file's records.

    Attributes:
        events: Serialised events.
        ids: Their ids in the ledger; empty without one.
        numbers: The lines of the file that they stand in, from 1.
        shortened: Counts of what was shortened or left out.
        skipped: Counts of records left out.
        others: Numbers and bytes of the lines that only the target can judge: what is wrong, or unusual.
        is_last: Whether the file ends here.
        damage: Why the file could not be read any further.
    """

    events: list[bytes] = []
    ids: list[bytes] = []
    numbers: list[int] = []
    shortened: dict[str, int] = {}
    skipped: dict[str, int] = {}
    others: list[tuple[int, bytes]] = []
    is_last: bool = False
    damage: str = ""


class Tally:
    """Counts what a converter tells."""

    def __init__(self) -> None:
        self.shortened: Counter[str] = Counter()
        self.skipped: Counter[str] = Counter()

    def note(self, what: str) -> None:
        """Count a record of which something was shortened or left out."""
        self.shortened[what] += 1

    def skip(self, why: str) -> None:
        """Count a record that is left out."""
        self.skipped[why] += 1


@lru_cache(8)
def converter(recipe: bytes) -> tuple[Converter, Tally]:
    """Return what follows a recipe, and what it tells."""
    tally = Tally()
    return Converter(msgspec.json.decode(recipe, type=Recipe), tally), tally


def portions(task: Task) -> Iterator[Portion]:
    """Convert a file."""
    convert, tally = converter(bytes(task.recipe))
    portion, size = Portion(), 0

    def closed(*, is_last: bool = False, damage: str = "") -> Portion:
        portion.shortened, portion.skipped = dict(tally.shortened), dict(tally.skipped)
        portion.is_last, portion.damage = is_last, damage
        tally.shortened.clear()
        tally.skipped.clear()
        return portion

    decode = convert.decode
    assert decode is not None  # noqa: S101  # the target keeps other streams to itself
    try:
        with opened(task) as lines:
            for number, line in enumerate(lines, start=1):
                try:
                    made = convert(decode(line))
                except (UnfitError, msgspec.MsgspecError, ValueError, RecursionError):
                    portion.others.append((number, line))
                    size += len(line)
                else:
                    if made is not None:
                        event, identity = made
                        portion.events.append(event)
                        portion.numbers.append(number)
                        if identity is not None:
                            portion.ids.append(identity)
                        size += len(event)
                if size >= PORTION_BYTES:
                    yield closed()
                    portion, size = Portion(), 0
    except (OSError, EOFError, zlib.error) as error:
        yield closed(is_last=True, damage=type(error).__name__)
    else:
        yield closed(is_last=True)


def opened(task: Task) -> IO[bytes]:
    """Open a file for reading line by line."""
    if not task.packed:
        return Path(task.path).open("rb")
    return io.BufferedReader(cast(io.RawIOBase, gzip.open(task.path)))  # its own reading of lines is slow


def write_frame(output: IO[bytes], content: bytes) -> None:
    """Write a frame."""
    output.write(len(content).to_bytes(LENGTH_BYTES, "big") + content)
    output.flush()


def read_frame(source: IO[bytes]) -> bytes:
    """Read a frame.

    Raises:
        EOFError: The other process is gone.
    """
    length = source.read(LENGTH_BYTES)
    content = source.read(int.from_bytes(length, "big"))
    if len(length) < LENGTH_BYTES or len(content) < int.from_bytes(length, "big"):
        raise EOFError
    return content


def main() -> None:
    """Work until the input ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # at Ctrl-C the target finishes what it has, and then the input ends
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    decoder, encode = msgspec.json.Decoder(Task), msgspec.msgpack.Encoder().encode
    with suppress(BrokenPipeError):  # the target is gone
        for line in sys.stdin.buffer:
            for portion in portions(decoder.decode(line)):
                write_frame(sys.stdout.buffer, encode(portion))


if __name__ == "__main__":
    main()
