"""Stores batches in one thread: those that wait together are committed together, with one wait for the disk."""

from __future__ import annotations

import logging
import queue
import threading
from concurrent.futures import Future
from typing import NamedTuple

from .files import Storage

logger = logging.getLogger("receiver")

COMMIT_BYTES = 8 * 1024 * 1024  # a group is closed at this size, so that none waits long
QUEUE_BYTES = 128 * 1024 * 1024


class BusyError(Exception):
    """The storage is so far behind that no more is accepted."""


class Batch(NamedTuple):
    """Lines of one batch, lines of what was rejected of it, and the future that is done when both are stored."""

    lines: bytes
    rejects: bytes
    stored: Future[None]


class Journal:
    """Stores batches in a thread of its own. Up to `queue_bytes` may wait; more is refused.

    Attributes:
        failure: The error of the last commit, None when it succeeded.
    """

    def __init__(self, storage: Storage, queue_bytes: int = QUEUE_BYTES) -> None:
        self._storage = storage
        self._queue: queue.SimpleQueue[Batch | None] = queue.SimpleQueue()
        self._queue_bytes = queue_bytes
        self._waiting = 0
        self._lock = threading.Lock()
        self._closed = False
        self.failure: OSError | None = None
        self._thread = threading.Thread(target=self._run, name="journal", daemon=True)
        self._thread.start()

    @property
    def alive(self) -> bool:
        """Whether batches are still being stored."""
        return self._thread.is_alive() and not self._closed

    def store(self, lines: bytes, rejects: bytes = b"") -> Future[None]:
        """Queue a batch; the future is done when it is stored, or holds the OSError. BusyError when too much waits."""
        size = len(lines) + len(rejects)
        with self._lock:
            if not self.alive or (self._waiting and self._waiting + size > self._queue_bytes):
                raise BusyError
            self._waiting += size
            batch = Batch(lines, rejects, Future())
            self._queue.put(batch)
        return batch.stored

    def close(self) -> None:
        """Store what waits, seal the files and end the thread."""
        with self._lock:
            self._closed = True
            self._queue.put(None)
        self._thread.join()

    def _run(self) -> None:
        due: float | None = None
        while True:
            try:
                first = self._queue.get(timeout=due)
            except queue.Empty:
                due = self._tick()
                continue
            if first is None:
                break
            group, ended = self._group(first)
            self._commit(group)
            due = self._tick()
            if ended:
                break
        self._close()

    def _group(self, first: Batch) -> tuple[list[Batch], bool]:
        """Return the batch and those that wait behind it, and whether the journal is to be closed after them."""
        group, size = [first], len(first.lines)
        while size < COMMIT_BYTES:
            try:
                batch = self._queue.get_nowait()
            except queue.Empty:
                break
            if batch is None:
                return group, True
            group.append(batch)
            size += len(batch.lines)
        return group, False

    def _commit(self, group: list[Batch]) -> None:
        try:
            self._storage.commit(b"".join(b.lines for b in group), b"".join(b.rejects for b in group))
        except Exception as error:  # noqa: BLE001  (whatever the storage raises, the senders must hear of it)
            if self.failure is None:
                logger.error("Storing fails: %s. Senders get 503 until it works again.", reason(error))
            self.failure = error if isinstance(error, OSError) else OSError(reason(error))
        else:
            if self.failure is not None:
                logger.info("Storing works again.")
            self.failure = None
        with self._lock:
            self._waiting -= sum(len(batch.lines) + len(batch.rejects) for batch in group)
        for batch in group:
            if self.failure is None:
                batch.stored.set_result(None)
            else:
                batch.stored.set_exception(self.failure)

    def _tick(self) -> float | None:
        try:
            return self._storage.tick()
        except OSError as error:
            logger.error("A file could not be sealed: %s.", reason(error))
            return 1.0

    def _close(self) -> None:
        try:
            self._storage.close()
        except OSError as error:
            logger.error("A file could not be sealed: %s. The next start seals it.", reason(error))


def reason(error: Exception) -> str:
    """Say what went wrong without paths or data."""
    return (error.strerror if isinstance(error, OSError) else None) or type(error).__name__
