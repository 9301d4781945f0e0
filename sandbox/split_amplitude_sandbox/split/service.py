"""All of Split, put together."""

from __future__ import annotations

from starlette.routing import Route

from split_amplitude_sandbox.calls import Calls
from split_amplitude_sandbox.clock import Clock
from split_amplitude_sandbox.settings import Settings
from split_amplitude_sandbox.split import v2, v4
from split_amplitude_sandbox.split.access import Access
from split_amplitude_sandbox.split.change_requests import ChangeRequests
from split_amplitude_sandbox.split.control import SplitControl
from split_amplitude_sandbox.split.events import Events
from split_amplitude_sandbox.split.segments import Segments
from split_amplitude_sandbox.split.services import Services
from split_amplitude_sandbox.split.settings import SplitSettings
from split_amplitude_sandbox.split.workspaces import Workspaces
from split_amplitude_sandbox.store import Store

CALLS: tuple[type[Calls[Services]], ...] = (Events, *v2.CALLS, *v4.CALLS, SplitControl)


class Split:
    """The service and its part of the sandbox's own API."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._settings = Settings(SplitSettings)
        self._workspaces = Workspaces(store, clock)
        self.segments = Segments(store, clock, self._workspaces, self._settings)
        self._services = Services(
            store,
            clock,
            self._settings,
            Access(store, self._settings),
            self._workspaces,
            self.segments,
            ChangeRequests(store, clock, self.segments),
        )
        if not self._workspaces.all():
            self._workspaces.seed()

    def routes(self) -> list[Route]:
        """The paths of all calls."""
        return [route for calls in CALLS for route in calls(self._services).routes()]

    def reset(self) -> None:
        """Restore the default settings and seed the workspace again, once the store is empty."""
        self._settings.reset()
        self._workspaces.seed()
