"""Work in threads that do not keep a process alive that was told to end, as those of `ThreadPoolExecutor` do."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

T = TypeVar("T")


def in_thread(action: Callable[[], T], name: str) -> Future[T]:
    """Start an action in a daemon thread of its own."""
    future: Future[T] = Future()

    def work() -> None:
        try:
            future.set_result(action())
        except BaseException as error:  # noqa: BLE001 - the reader raises it
            future.set_exception(error)

    threading.Thread(target=work, name=name, daemon=True).start()
    return future
