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
from split_amplitude_sandbox.amplitude.routes.sync import Syncs
from split_amplitude_sandbox.amplitude.rows import Rows
from split_amplitude_sandbox.amplitude.settings import AmplitudeSettings
from split_amplitude_sandbox.amplitude.taxonomy import Taxonomy
from split_amplitude_sandbox.clock import Clock
from split_amplitude_sandbox.settings import Settings
from split_amplitude_sandbox.store import Store


class Amplitude:
    """The service, its routes, and its part of the sandbox's own API."""

    def __init__(self, store: Store, clock: Clock, export_lag_hours: float) -> None:
        self._settings = Settings(AmplitudeSettings)
        self.log = RouteLog(clock)
        export, cohorts = Export(store, clock, export_lag_hours), Cohorts(store, clock, self._settings)
        taxonomy, annotations = Taxonomy(store), Annotations(store)
        syncs, rows = Syncs(store), Rows(store)
        self._parts = (
            Ingestion(store, clock, self._settings),
            Identify(store, clock),
            export,
            cohorts,
            Dashboard(store, clock, taxonomy),
            taxonomy,
            annotations,
            AmplitudeControl(
                store,
                self._settings,
                self.log,
                puts={
                    "export-rows": export.put,
                    "cohorts": cohorts.put,
                    "taxonomy": taxonomy.put,
                    "annotations": annotations.put,
                },
                pushes={
                    "push-cohort": CohortWebhook(syncs, self.log).push,
                    "stream-events": EventStreaming(store, rows, self.log).stream,
                    "write-export": ExportFiles(store, rows, self.log).write,
                    "write-cohort": CohortFiles(syncs, self.log).write,
                },
            ),
        )

    def routes(self) -> list[Route]:
        """The paths of all parts."""
        return [route for part in self._parts for route in part.routes()]

    def reset(self) -> None:
        """Restore the default settings and forget what the routes delivered."""
        self._settings.reset()
        self.log.entries.clear()
