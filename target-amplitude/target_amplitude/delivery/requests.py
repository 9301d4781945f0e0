"""What the senders of all lanes share: asking Amplitude, and waiting before asking again."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import backoff

from target_amplitude.api.client import Client
from target_amplitude.api.endpoints import Route
from target_amplitude.api.responses import Delivered, Reaction, Stop, react
from target_amplitude.common.errors import ConnectorError
from target_amplitude.common.target.summary import Summary

# Least time between two warnings of retries.
SAY_SECONDS = 10.0
FIRST_WAIT_SECONDS, LONGEST_WAIT_SECONDS = 0.5, 60.0


class InterruptedWait(Exception):  # noqa: N818  # not an error: the run is to end
    """The run is to end, so nobody waits for a retry."""


@dataclass
class Shared:
    """What the senders of all lanes share.

    Attributes:
        reject: Keeps a record that can never be delivered: stream, reason, origin, status, what was made of it.
        patience: Seconds to go on trying.
        stopping: Set when the run is to end: waits end at once.
        failed: Whether the run has failed: nothing more is sent.
    """

    client: Client
    summary: Summary
    logger: logging.Logger
    reject: Callable[[str, str, Any, int | None, Any], None]
    patience: float
    stopping: threading.Event
    failed: bool = False

    def __post_init__(self) -> None:
        self._one_by_one = threading.Lock()
        self._is_proven = False  # whether Amplitude has taken anything
        self._said = 0.0  # when the last warning of a retry was given

    def ask(self, route: Route, parts: Sequence[bytes]) -> tuple[int, Reaction]:
        """Send a request; return the answer's status and what to do about it.

        Until one is taken, requests go one by one: a wrong key costs one request.

        Raises:
            InterruptedWait: The run failed meanwhile.
        """
        if not self._is_proven:
            with self._one_by_one:
                self._raise_if_failed()
                if not self._is_proven:  # nor became so while this one waited
                    status, reaction = self._ask(route, parts)
                    self._is_proven = isinstance(reaction, Delivered)
                    self.failed = isinstance(reaction, Stop)
                    return status, reaction
        self._raise_if_failed()
        return self._ask(route, parts)

    def _raise_if_failed(self) -> None:
        if self.failed:
            raise InterruptedWait

    def _ask(self, route: Route, parts: Sequence[bytes]) -> tuple[int, Reaction]:
        answer = self.client.post(route, parts)
        return answer.status, react(answer, route, len(parts))

    def wait(self, seconds: float, deadline: float, why: str) -> None:
        """Wait before a retry.

        Raises:
            ConnectorError: Patience is at its end.
            InterruptedWait: The run is to end.
        """
        left = deadline - time.monotonic()
        if left <= 0:
            raise ConnectorError(gave_up(self.patience, why))
        self.summary.add("http_retry_count")
        if time.monotonic() - self._said >= SAY_SECONDS:  # the lanes would all say the same
            self._said = time.monotonic()
            self.logger.warning("%s. Trying again for up to %.0f seconds.", why[0].upper() + why[1:], left)
        self.pause(min(seconds, left))

    def pause(self, seconds: float) -> None:
        """Wait, unless the run is to end.

        Raises:
            InterruptedWait: It is.
        """
        if self.stopping.wait(seconds):
            raise InterruptedWait


def retry_waits() -> Iterator[float]:
    """Yield the seconds before each retry: growing, with jitter."""
    growing = backoff.expo(factor=FIRST_WAIT_SECONDS, max_value=LONGEST_WAIT_SECONDS)
    next(growing)  # the generator's own start
    while True:
        yield backoff.full_jitter(next(growing))


def gave_up(patience: float, why: str) -> str:
    """Return the sentence about the end of patience."""
    return (
        f"Gave up after {patience:g} seconds: {why}. What was delivered before is in the state; run again to go on "
        "from there, or raise 'retry_timeout_seconds'."
    )
