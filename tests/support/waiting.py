"""Waiting for what nothing announces."""

from __future__ import annotations

import time
from collections.abc import Callable

SECONDS = 60.0
POLL_SECONDS = 0.01


def await_true(condition: Callable[[], object]) -> None:
    """Ask again and again until a condition holds."""
    deadline = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(POLL_SECONDS)
