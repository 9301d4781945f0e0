"""Workers: threads that send batches in parallel, each worker one after the other."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from typing import Generic, TypeVar

B = TypeVar("B")

# Batches that may wait for a worker while one is on its way: enough to keep it busy, few enough to bound memory.
WAITING_PER_WORKER = 1


class Workers(Generic[B]):
    """Threads that send batches: each worker in order, the workers side by side.

    The first failure stops all workers: what is on its way is finished, what waits is not sent. `submit` and `wait`
    raise that failure.

    Args:
        count: Number of workers.
        send: Delivers one batch or raises, in a worker's thread.
    """

    def __init__(self, count: int, send: Callable[[B], None]) -> None:
        self._send = send
        self._queues: list[queue.Queue[B | None]] = [queue.Queue(WAITING_PER_WORKER) for _ in range(count)]
        self._failure: BaseException | None = None
        self._threads = [threading.Thread(target=self._work, args=(q,), daemon=True) for q in self._queues]
        for thread in self._threads:
            thread.start()

    def idlest(self) -> int:
        """Return the worker with the fewest batches, for a batch that needs no order."""
        return min(range(len(self._queues)), key=lambda worker: self._queues[worker].unfinished_tasks)

    def submit(self, worker: int, batch: B) -> None:
        """Hand over a batch; waits while the worker is busy and another batch waits.

        Raises:
            Exception: The failure that stopped the workers.
        """
        self.raise_failure()
        self._queues[worker].put(batch)

    def wait(self) -> None:
        """Wait until everything handed over is delivered.

        Raises:
            Exception: The failure that stopped the workers.
        """
        for waiting in self._queues:
            waiting.join()
        self.raise_failure()

    def abort(self, failure: BaseException) -> None:
        """Finish what is on its way, send nothing that waits, and end the threads."""
        self._failure = self._failure or failure
        self.close()

    def close(self) -> None:
        """End the threads after what was handed over."""
        for waiting in self._queues:
            waiting.put(None)
        for thread in self._threads:
            thread.join()

    def raise_failure(self) -> None:
        """Raise the failure that stopped the workers, if one did."""
        if self._failure is not None:
            raise self._failure

    def _work(self, waiting: queue.Queue[B | None]) -> None:
        while (batch := waiting.get()) is not None:
            try:
                if self._failure is None:
                    self._send(batch)
            except BaseException as error:  # noqa: BLE001  # raised again in the main thread
                self._failure = self._failure or error
            finally:
                waiting.task_done()
        waiting.task_done()
