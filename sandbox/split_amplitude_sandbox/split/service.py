"""All of Split, put together."""

from __future__ import annotations

from starlette.routing import Route

from split_amplitude_sandbox.clock import Clock
from split_amplitude_sandbox.settings import Settings
from split_amplitude_sandbox.split.access import Access
from split_amplitude_sandbox.split.change_requests import ChangeRequests
from split_amplitude_sandbox.split.control import SplitControl
from split_amplitude_sandbox.split.event_types import EventTypes
from split_amplitude_sandbox.split.events import Events
from split_amplitude_sandbox.split.segments import Segments
from split_amplitude_sandbox.split.settings import SplitSettings
from split_amplitude_sandbox.split.v2 import change_requests as v2_change_requests
from split_amplitude_sandbox.split.v2 import keys as v2_keys
from split_amplitude_sandbox.split.v2 import lookups as v2_lookups
from split_amplitude_sandbox.split.v2 import segments as v2_segments
from split_amplitude_sandbox.split.v4 import change_requests as v4_change_requests
from split_amplitude_sandbox.split.v4 import keys as v4_keys
from split_amplitude_sandbox.split.v4 import lookups as v4_lookups
from split_amplitude_sandbox.split.v4 import segments as v4_segments
from split_amplitude_sandbox.split.v4.scope import Scopes
from split_amplitude_sandbox.split.workspaces import Workspaces
from split_amplitude_sandbox.store import Store


class Split:
    """The service and its part of the sandbox's own API."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._settings = Settings(SplitSettings)
        self._workspaces = Workspaces(store, clock)
        self.segments = Segments(store, clock, self._workspaces, self._settings)
        access = Access(store, self._settings)
        change_requests = ChangeRequests(store, clock, self.segments)
        scopes = Scopes(access, self._workspaces, self._settings)
        v2_targets = v2_segments.Targets(access, self._workspaces, self.segments)
        event_types = EventTypes(store, clock, self._settings)
        self._parts = (
            Events(store, self._workspaces),
            v2_lookups.Lookups(access, self._workspaces, self._settings),
            v2_segments.SegmentCalls(v2_targets, self.segments, self._settings),
            v2_keys.KeyCalls(
                targets=v2_targets,
                workspaces=self._workspaces,
                segments=self.segments,
                change_requests=change_requests,
                clock=clock,
                settings=self._settings,
            ),
            v2_change_requests.ChangeRequestCalls(access, self._workspaces, self.segments, change_requests),
            v4_lookups.Lookups(scopes, self._workspaces, event_types),
            v4_segments.SegmentCalls(scopes, self.segments),
            v4_keys.KeyCalls(scopes, self.segments, change_requests, self._settings),
            v4_change_requests.ChangeRequestCalls(scopes, change_requests),
            SplitControl(
                store=store,
                settings=self._settings,
                access=access,
                workspaces=self._workspaces,
                segments=self.segments,
                change_requests=change_requests,
            ),
        )
        if not self._workspaces.all():
            self._workspaces.seed()

    def routes(self) -> list[Route]:
        """The paths of all parts."""
        return [route for part in self._parts for route in part.routes()]

    def reset(self) -> None:
        """Restore the default settings and seed the workspace again, once the store is empty."""
        self._settings.reset()
        self._workspaces.seed()
