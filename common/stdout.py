"""Whole lines to standard output, past Python's buffer, which loses bytes when a signal meets a full pipe."""

from __future__ import annotations

import io
import os
import select
import sys
import threading
import time
from collections.abc import Callable

# After a signal, a reader that takes nothing for this long is not waited for.
BLOCKED_SECONDS = 0.75
POLL_SECONDS = 0.1
# A pipe that takes anything takes at least so much without blocking; a longer write waits for a reader of all of it.
UNBLOCKED_BYTES = select.PIPE_BUF


class BlockedError(Exception):
    """The reader of the output takes nothing, and the run is to end."""


def write_stdout(data: bytes, is_stopping: Callable[[], bool]) -> None:
    """Write all of it, however long the reader takes.

    Args:
        data: Whole lines.
        is_stopping: Whether the run is to end; then a reader that takes nothing is not waited for.

    Raises:
        BrokenPipeError: The reader has gone.
        BlockedError: The run is to end, and the reader takes nothing. The last line may be incomplete.
    """
    file = _descriptor()
    if file is None:
        sys.stdout.write(data.decode())  # a text in memory
        return
    rest = memoryview(data)
    is_main_thread = threading.current_thread() is threading.main_thread()
    taken_at = time.monotonic()
    while rest:
        # Without this wait, a signal would interrupt a blocked write only for Python to begin it again.
        if select.select([], [file], [], POLL_SECONDS)[1]:
            # A signal interrupts a blocked write, but only while it lasts, and only that of the main thread.
            must_not_block = is_stopping() or not is_main_thread
            rest = rest[os.write(file, rest[:UNBLOCKED_BYTES] if must_not_block else rest) :]
            taken_at = time.monotonic()
        elif is_stopping() and time.monotonic() - taken_at > BLOCKED_SECONDS:
            silence_stdout()
            raise BlockedError


def silence_stdout() -> None:
    """Point standard output at nothing, so that the interpreter's last flush cannot fail a second time."""
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, sys.stdout.fileno())
    os.close(nothing)


def _descriptor() -> int | None:
    """Return the descriptor of standard output, with nothing left in Python's buffer; None when it has none."""
    try:
        sys.stdout.flush()
        return sys.stdout.fileno()
    except (AttributeError, io.UnsupportedOperation):
        return None
