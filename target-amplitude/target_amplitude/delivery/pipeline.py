"""Everything between a sink and Amplitude, put together: router, workers, senders, and what a run remembers."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from target_amplitude.api.client import Transport
from target_amplitude.api.endpoints import events_route, group_identify_route, identify_route
from target_amplitude.common.errors import ConnectorError
from target_amplitude.common.target.services import Services
from target_amplitude.common.target.workers import Workers
from target_amplitude.delivery.batch import Payload
from target_amplitude.delivery.gateway import Gateway
from target_amplitude.delivery.last_values import UPDATES_PER_HOUR, LastValues
from target_amplitude.delivery.property_times import PropertyTimes
from target_amplitude.delivery.router import Router, Routes
from target_amplitude.delivery.seen import Seen
from target_amplitude.delivery.sender import Sender


@dataclass(frozen=True)
class DeliverySettings:
    """The settings that say how payloads are delivered, each under its name."""

    api_key: str
    endpoint: str = "batch"
    identify_via: str = "events"
    min_id_length: int = 1
    max_parallel_requests: int = 4
    retry_timeout_seconds: float = 900
    on_quota: str = "wait"


class Pipeline:
    """Delivers events and identifications in parallel, one user's in order.

    Attributes:
        router: Takes events and identifications.
        seen: The insert ids of this run, for `dedupe`.
    """

    def __init__(
        self, settings: DeliverySettings, services: Services, transport: Transport, times: PropertyTimes | None = None
    ) -> None:
        self._services = services
        self._transport = transport
        self._times = times
        self.seen = Seen()
        self._last_values = LastValues(time.monotonic, self._warn_of_updates, times)
        gateway = Gateway(transport, services, settings.retry_timeout_seconds)
        count = settings.max_parallel_requests
        self._senders = [
            Sender(gateway, services, settings.retry_timeout_seconds, settings.on_quota, times) for _ in range(count)
        ]
        self._workers: Workers[Callable[[], None]] = Workers(count, lambda deliver: deliver())
        self.router = Router(self._submit, count, routes_of(settings), services, self._last_values)

    @property
    def keeps_times(self) -> bool:
        """Whether the times of user properties are kept for later runs."""
        return self._times is not None

    def _submit(self, worker: int, batch: list[Payload] | None) -> None:
        self._workers.submit(worker, partial(self._senders[worker].deliver, batch))

    def flush_old(self) -> None:
        """Hand over what has been open for long, and wake workers in which something has waited long enough.

        Raises:
            ConnectorError: Something could not be delivered.
        """
        self._workers.raise_failure()
        self.router.flush_old()
        for worker, sender in enumerate(self._senders):
            if sender.due:
                self._submit(worker, None)

    def deliver_all(self) -> None:
        """Hand over everything and wait until it is delivered.

        Raises:
            ConnectorError: Something could not be delivered.
        """
        self.router.flush_all()
        for worker in range(len(self._senders)):
            self._submit(worker, None)
        self._workers.wait()
        undelivered = sum(sender.undelivered for sender in self._senders)
        if undelivered:
            raise ConnectorError(
                f"Stopped before {undelivered:,} of the records read were delivered. Run again to deliver them."
            )
        self._workers.close()
        self._close()

    def abort(self) -> None:
        """Let the requests that are on their way finish; send nothing more."""
        self._workers.abort(ConnectorError("The run failed."))
        self._close()

    def _close(self) -> None:
        self._transport.close()
        self.seen.close()
        self._last_values.close()
        if self._times is not None:
            self._times.close()

    def _warn_of_updates(self) -> None:
        self._services.logger.warning(
            "The properties of a user change more than %d times within an hour: Amplitude silently drops further "
            "changes. Send fewer flags, or set 'load_as' to exposure.",
            UPDATES_PER_HOUR,
        )


def routes_of(settings: DeliverySettings) -> Routes:
    """Return how each kind of payload is sent."""
    key, min_id_length = settings.api_key, settings.min_id_length
    return Routes(
        events=events_route(key, settings.endpoint, min_id_length),
        group_identifications=group_identify_route(key),
        identifications=identify_route(key, min_id_length) if settings.identify_via == "api" else None,
    )
