"""All of Amplitude, put together."""

from __future__ import annotations

from starlette.routing import Route

from split_amplitude_sandbox.amplitude.annotations import Annotations
from split_amplitude_sandbox.amplitude.cohorts import Cohorts
from split_amplitude_sandbox.amplitude.control import AmplitudeControl
from split_amplitude_sandbox.amplitude.dashboard import Dashboard
from split_amplitude_sandbox.amplitude.export import Export
from split_amplitude_sandbox.amplitude.identify import Identify
from split_amplitude_sandbox.amplitude.ingestion import Ingestion
from split_amplitude_sandbox.amplitude.routes.cohort_files import CohortFiles
from split_amplitude_sandbox.amplitude.routes.cohort_webhook import CohortWebhook
from split_amplitude_sandbox.amplitude.routes.event_stream import EventStreaming
from split_amplitude_sandbox.amplitude.routes.export_files import ExportFiles
from split_amplitude_sandbox.amplitude.routes.log import RouteLog
from split_amplitude_sandbox.amplitude.services import Services
from split_amplitude_sandbox.amplitude.settings import AmplitudeSettings
from split_amplitude_sandbox.amplitude.taxonomy import Taxonomy
from split_amplitude_sandbox.calls import Calls
from split_amplitude_sandbox.clock import Clock
from split_amplitude_sandbox.settings import Settings
from split_amplitude_sandbox.store import Store

CALLS: tuple[type[Calls[Services]], ...] = (
    Ingestion,
    Identify,
    Export,
    Cohorts,
    Dashboard,
    Taxonomy,
    Annotations,
    AmplitudeControl,
    CohortWebhook,
    CohortFiles,
    EventStreaming,
    ExportFiles,
)


class Amplitude:
    """The service, its routes, and its part of the sandbox's own API."""

    def __init__(self, store: Store, clock: Clock, export_lag_hours: float) -> None:
        self._settings = Settings(AmplitudeSettings)
        self.log = RouteLog(clock)
        self._services = Services(store, clock, self._settings, self.log, export_lag_hours)

    def routes(self) -> list[Route]:
        """The paths of all calls."""
        return [route for calls in CALLS for route in calls(self._services).routes()]

    def reset(self) -> None:
        """Restore the default settings and forget what the routes delivered."""
        self._settings.reset()
        self.log.entries.clear()
