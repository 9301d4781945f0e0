"""The one way to Amplitude that all senders share: asks, and turns answers into reactions."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Sequence

from target_amplitude.api.client import Transport
from target_amplitude.api.endpoints import Route
from target_amplitude.api.responses import Action, Reaction, react
from target_amplitude.common.errors import RetriableError
from target_amplitude.common.retry import Retry, StoppedError
from target_amplitude.common.target.services import Services

FIRST_WAIT_SECONDS = 0.5
# Shortest time between two warnings of retries.
WARNING_SECONDS = 10.0


class Gateway:
    """Sends requests one at a time until one is accepted, so that a wrong key costs one request; then in parallel."""

    def __init__(self, transport: Transport, services: Services, retry_timeout_seconds: float) -> None:
        self.transport = transport
        self._services = services
        self._retry_timeout_seconds = retry_timeout_seconds
        self._one_by_one = threading.Lock()
        self._is_proven = False  # whether Amplitude has accepted anything
        self._has_failed = False
        self._warned = 0.0

    def ask(self, route: Route, parts: Sequence[bytes]) -> Reaction:
        """Send a request; return what to do about its answer. `SEND_PLAIN` is done here.

        Raises:
            StoppedError: The run failed meanwhile, so nothing more is sent.
            ConnectorError: The request cannot be made, now or later.
        """
        if not self._is_proven:
            with self._one_by_one:
                self._raise_if_failed()
                if not self._is_proven:  # nor became so while this one waited
                    reaction = self._ask(route, parts)
                    self._is_proven = reaction.action is Action.ACCEPT
                    self._has_failed = reaction.action is Action.STOP
                    return reaction
        self._raise_if_failed()
        return self._ask(route, parts)

    def fail(self) -> None:
        """Note that the run has failed: nothing more is sent, and the waits of all senders end."""
        self._has_failed = True
        self._services.stopping.set()

    def refuses_everything(self, route: Route) -> bool:
        """Whether the firewall refuses even a request without events: then it is about this machine."""
        return self.transport.post(route, []).status == 403

    def new_retry(self) -> Retry:
        """Return what waits between the attempts of one request."""
        return Retry(
            self._retry_timeout_seconds,
            self._services.stopping,
            self._count_retry,
            first_wait_seconds=FIRST_WAIT_SECONDS,
        )

    def pause(self, seconds: float) -> None:
        """Wait.

        Raises:
            StoppedError: The run is to end.
        """
        if self._services.stopping.wait(seconds):
            raise StoppedError

    def _raise_if_failed(self) -> None:
        if self._has_failed:
            raise StoppedError

    def _ask(self, route: Route, parts: Sequence[bytes]) -> Reaction:
        try:
            reaction, was_compressed = self._post(route, parts)
            if reaction.action is Action.SEND_PLAIN and was_compressed:
                self.transport.is_compressing = False
                reaction, _ = self._post(route, parts)
                if reaction.action is not Action.SEND_PLAIN:
                    self._logger.warning(
                        "%s refused a compressed request and not the same one uncompressed. This run goes on without "
                        "compression; set 'compression' to none.",
                        route.endpoint.path,
                    )
        except RetriableError as error:
            return Reaction(Action.RETRY, str(error), wait_seconds=error.retry_after)
        if reaction.action is Action.SEND_PLAIN:
            return Reaction(Action.STOP, reaction.message, reaction.status)
        return reaction

    def _post(self, route: Route, parts: Sequence[bytes]) -> tuple[Reaction, bool]:
        answer = self.transport.post(route, parts)
        return react(answer, route, len(parts)), answer.was_compressed

    @property
    def _logger(self) -> logging.Logger:
        return self._services.logger

    def _count_retry(self, reason: str, seconds: float) -> None:
        self._services.summary.add("http_retry_count")
        if time.monotonic() - self._warned >= WARNING_SECONDS:  # all workers would say the same
            self._warned = time.monotonic()
            self._logger.warning("%s. Trying again in %.1f seconds.", reason[:1].upper() + reason[1:], seconds)
