"""Downloads windows before they are needed, in threads of their own, and hands them over in order."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, wait
from dataclasses import dataclass
from typing import TypeVar

from tap_amplitude.api.errors import TooLargeError
from tap_amplitude.common.errors import ConnectorError
from tap_amplitude.export.archive import Archive
from tap_amplitude.export.windows import Plan, Window

T = TypeVar("T")
WAIT_SECONDS = 5.0


def in_thread(action: Callable[[], T], name: str) -> Future[T]:
    """Start an action in a daemon thread of its own.

    The threads of `ThreadPoolExecutor` would keep a process alive that was told to end.
    """
    future: Future[T] = Future()

    def work() -> None:
        try:
            future.set_result(action())
        except BaseException as error:  # noqa: BLE001 - the reader raises it
            future.set_exception(error)

    threading.Thread(target=work, name=name, daemon=True).start()
    return future


def discard(future: Future[Archive | None]) -> None:
    """Free the disk space of an archive that is not going to be read."""
    if not future.exception() and (archive := future.result()):
        archive.close()


@dataclass
class Pending:
    """A window, and its archive once it has been requested."""

    window: Window
    future: Future[Archive | None] | None = None


class Prefetch:
    """Fetches the windows of a plan, several at a time, and divides those that are too large.

    Args:
        plan: The windows in order.
        fetch: Returns the archive of a window, None when it holds no events.
        parallel: How many archives may be requested or lie waiting at a time.
        waiting: Called every few seconds while the reader has to wait.
    """

    def __init__(
        self, plan: Plan, fetch: Callable[[Window], Archive | None], parallel: int, waiting: Callable[[Window], None]
    ) -> None:
        self._plan = plan
        self._fetch = fetch
        self._parallel = parallel
        self._waiting = waiting
        self._windows = iter(plan)
        self._queue: deque[Pending] = deque()

    def __iter__(self) -> Iterator[tuple[Window, Archive | None]]:
        """Yield each window with its archive, in order of time.

        Raises:
            ConnectorError: A window cannot be exported.
        """
        try:
            while self._fill():
                first = self._queue[0]
                try:
                    archive = self._result(first)
                except TooLargeError as error:
                    self._divide(first.window, error)
                    continue
                self._queue.popleft()
                yield first.window, archive
        finally:
            for pending in self._queue:
                if pending.future:
                    pending.future.add_done_callback(discard)

    def _fill(self) -> bool:
        """Start downloads until enough are on their way; return whether there is anything to hand over."""
        while len(self._queue) < self._parallel and (window := next(self._windows, None)):
            self._queue.append(Pending(window))
        started = sum(pending.future is not None for pending in self._queue)
        for pending in self._queue:
            if pending.future is None and started < self._parallel:
                pending.future = self._start(pending.window)
                started += 1
        return bool(self._queue)

    def _start(self, window: Window) -> Future[Archive | None]:
        return in_thread(lambda: self._fetch(window), f"download {window}")

    def _result(self, pending: Pending) -> Archive | None:
        future = pending.future or self._start(pending.window)
        while not wait([future], timeout=WAIT_SECONDS).done:
            self._waiting(pending.window)
        return future.result()

    def _divide(self, window: Window, error: TooLargeError) -> None:
        """Put the halves of a window in its place."""
        halves = self._plan.shrink(window)
        if halves is None:
            raise ConnectorError(
                f"{error} It cannot be divided further: the Export API gives at most 4 GB at once. Use Amplitude's"
                " export to Amazon S3 for such hours."
            ) from error
        self._queue.popleft()
        self._queue.extendleft(Pending(half) for half in reversed(halves))
