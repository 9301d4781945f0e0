"""The receiver's log, which does not block when nothing reads standard error any more."""

from __future__ import annotations

import contextlib
import logging
import queue
import sys
import threading

from .files import write_all

LINES = 1000  # that may wait; further ones are dropped
LAST_SECONDS = 1.0  # for what still waits at the end


class BackgroundHandler(logging.Handler):
    """Writes lines to standard error in a thread of its own."""

    def __init__(self) -> None:
        super().__init__()
        self._lines: queue.Queue[str | None] = queue.Queue(LINES)
        self._thread = threading.Thread(target=self._write, name="log", daemon=True)
        self._thread.start()

    def emit(self, record: logging.LogRecord) -> None:
        """Queue a line."""
        with contextlib.suppress(queue.Full):
            self._lines.put_nowait(self.format(record))

    def _write(self) -> None:
        # Past Python's buffer: its lock, held for ever, would hold up the end of the process.
        file = sys.stderr.fileno()
        while (line := self._lines.get()) is not None:
            with contextlib.suppress(OSError):
                write_all(file, f"{line}\n".encode("utf-8", "backslashreplace"))

    def close(self) -> None:
        """Write what waits, if somebody reads it."""
        super().close()
        with contextlib.suppress(queue.Full):
            self._lines.put(None, timeout=LAST_SECONDS)
            self._thread.join(LAST_SECONDS)
