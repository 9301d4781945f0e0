"""Parallel delivery, and the order in which STATE may follow it.

`Checkpoints` decides when a STATE may go out: not before all work that began ahead of it is delivered. `Lanes` sends
requests in parallel; the requests of one lane go out one after the other.

The same file stands in both targets (they share no library); a test holds the copies equal.
"""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Callable
from typing import Any, Generic, TypeVar

R = TypeVar("R")

# Requests that may wait in a lane while one is on its way: enough to keep the lane busy, few enough to bound memory.
WAITING_PER_LANE = 1


class Work:
    """Records that are on their way: from the first one taken until the last one is delivered or rejected."""

    __slots__ = ("delivered",)

    def __init__(self) -> None:
        self.delivered = False


class Checkpoints:
    """Releases each STATE once all the work begun before it is delivered. Safe to use from any thread.

    Args:
        write: Called with a state to emit it; calls never overlap and follow the order of the input.
    """

    def __init__(self, write: Callable[[dict[str, Any]], None]) -> None:
        self._write = write
        self._line: deque[Work | dict[str, Any]] = deque()  # work and states, in order of the input
        self._lock = threading.Lock()

    def begin(self) -> Work:
        """Note that work begins: no later STATE goes out before `finish`."""
        work = Work()
        with self._lock:
            self._line.append(work)
        return work

    def finish(self, work: Work) -> None:
        """Note that work is delivered, and emit the newest STATE that nothing holds back any more."""
        with self._lock:
            work.delivered = True
            self._release()

    def state(self, value: dict[str, Any]) -> None:
        """Take a STATE that covers all work begun so far; it goes out at once when all of that is delivered."""
        with self._lock:
            if self._line and isinstance(self._line[-1], dict):
                self._line.pop()  # nothing lies between the two: only the newer one matters
            self._line.append(value)
            self._release()

    def _release(self) -> None:
        newest = None
        while self._line:
            head = self._line[0]
            if isinstance(head, dict):
                newest = head
            elif not head.delivered:
                break
            self._line.popleft()
        if newest is not None:
            self._write(newest)


class Lanes(Generic[R]):
    """Threads that send requests: each lane in order, the lanes side by side.

    The first failure stops all lanes: what is on its way is finished, what waits is not sent. `submit` and `wait`
    raise that failure.

    Args:
        count: Number of lanes.
        send: Delivers one request or raises. Called from the lanes' threads.
    """

    def __init__(self, count: int, send: Callable[[R], None]) -> None:
        self._send = send
        self._queues: list[queue.Queue[R | None]] = [queue.Queue(WAITING_PER_LANE) for _ in range(count)]
        self._failure: BaseException | None = None
        self._threads = [threading.Thread(target=self._work, args=(q,), daemon=True) for q in self._queues]
        for thread in self._threads:
            thread.start()

    def idlest(self) -> int:
        """Return the lane with the fewest requests, for a request that needs no order."""
        return min(range(len(self._queues)), key=lambda lane: self._queues[lane].unfinished_tasks)

    def submit(self, lane: int, request: R) -> None:
        """Hand over a request; waits while its lane is full.

        Raises:
            Exception: The failure that stopped the lanes.
        """
        self.raise_failure()
        self._queues[lane].put(request)

    def wait(self) -> None:
        """Wait until everything handed over is delivered.

        Raises:
            Exception: The failure that stopped the lanes.
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
        """Raise the failure that stopped the lanes, if one did."""
        if self._failure is not None:
            raise self._failure

    def _work(self, waiting: queue.Queue[R | None]) -> None:
        while (request := waiting.get()) is not None:
            try:
                if self._failure is None:
                    self._send(request)
            except BaseException as error:  # noqa: BLE001  # raised again in the main thread
                self._failure = self._failure or error
            finally:
                waiting.task_done()
        waiting.task_done()
