"""The order in which STATE may follow what is delivered."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import Any


class Hold:
    """Holds back every later STATE until each record counted here is delivered or rejected.

    It begins with a count of one, for whoever fills it: call `done` once more when nothing is added any more. Safe to
    use from any thread.
    """

    __slots__ = ("_checkpoints", "open")

    def __init__(self, checkpoints: Checkpoints) -> None:
        self._checkpoints = checkpoints
        self.open = 1

    def add(self, count: int = 1) -> None:
        """Count records that are taken."""
        self._checkpoints.count(self, count)

    def done(self, count: int = 1) -> None:
        """Count records that are delivered or rejected; the last one lets STATE pass."""
        self._checkpoints.count(self, -count)


class Checkpoints:
    """Releases each STATE once all the holds begun before it are done. Safe to use from any thread.

    Args:
        write: Called with a state to emit it; calls never overlap and follow the order of the input.
    """

    def __init__(self, write: Callable[[Any], None]) -> None:
        self._write = write
        self._line: deque[Hold | State] = deque()  # in order of the input
        self._lock = threading.Lock()

    def begin(self) -> Hold:
        """Hold back every later STATE until the hold's last `done`."""
        hold = Hold(self)
        with self._lock:
            self._line.append(hold)
        return hold

    def count(self, hold: Hold, change: int) -> None:
        """Change the count of a hold; at zero, emit the newest STATE that nothing holds back any more."""
        with self._lock:
            hold.open += change
            if not hold.open:
                self._release()

    def state(self, value: Any) -> None:
        """Take a STATE that covers all holds begun so far; it goes out at once when all of them are done."""
        with self._lock:
            if self._line and isinstance(self._line[-1], State):
                self._line.pop()  # nothing lies between the two: only the newer one matters
            self._line.append(State(value))
            self._release()

    def _release(self) -> None:
        newest = None
        while self._line:
            head = self._line[0]
            if isinstance(head, State):
                newest = head
            elif head.open:
                break
            self._line.popleft()
        if newest is not None:
            self._write(newest.value)


class State:
    """A state that waits for its turn."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value
