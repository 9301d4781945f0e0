"""Events on their way: from the sinks into batches, from batches through the workers to Split."""

from __future__ import annotations

from collections.abc import Callable

from target_split.common.errors import ConnectorError
from target_split.common.metrics import gauge
from target_split.common.target.services import Services
from target_split.common.target.workers import Workers
from target_split.events.batch import Batch, BatchBuilder
from target_split.ledger.ledger import Ledger


class EventDelivery:
    """Delivers the events of all streams. Used from one thread.

    Args:
        deliver: Delivers one batch or raises; called from several threads.
        workers: Requests that run at a time.
        services: Shared by the whole target.
        ledger: Closed at the end, if there is one.
    """

    def __init__(
        self, deliver: Callable[[Batch], None], workers: int, services: Services, ledger: Ledger | None
    ) -> None:
        self._services = services
        self._ledger = ledger
        self._workers: Workers[Batch] = Workers(workers, deliver)
        self._builders: dict[str, BatchBuilder] = {}

    def builder(self, stream: str) -> BatchBuilder:
        """Return what gathers the events of a stream."""
        if stream not in self._builders:
            self._builders[stream] = BatchBuilder(stream, self._services.checkpoints.begin, self._send)
        return self._builders[stream]

    def _send(self, batch: Batch) -> None:
        self._workers.submit(self._workers.idlest(), batch)

    def flush_old(self) -> None:
        """Send what has waited long enough.

        Raises:
            Exception: What stopped the workers.
        """
        self._workers.raise_failure()
        for builder in self._builders.values():
            builder.flush_old()

    def finish(self) -> None:
        """Send what waits, and return when everything is delivered.

        Raises:
            Exception: What stopped the workers.
        """
        for builder in self._builders.values():
            builder.flush()
        self._workers.wait()
        self._workers.close()
        self.close()

    def abort(self) -> None:
        """Finish requests that are on their way, so that the ledger knows what became of them; send no more."""
        self._workers.abort(ConnectorError("The run was stopped."))
        self.close()

    def close(self) -> None:
        """Close the ledger, and say how large it is."""
        if self._ledger is None:
            return
        size = self._ledger.close()
        self._ledger = None
        log = f", its write-ahead log {size.log_bytes:,}" if size.log_bytes else ""
        self._services.logger.info("The ledger has %s bytes%s.", f"{size.bytes:,}", log)
        gauge("ledger_bytes", size.bytes)
        gauge("ledger_log_bytes", size.log_bytes)
