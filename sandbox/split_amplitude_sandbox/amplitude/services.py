"""What the calls of Amplitude share."""

from __future__ import annotations

from dataclasses import dataclass

from split_amplitude_sandbox.amplitude.routes.log import RouteLog
from split_amplitude_sandbox.amplitude.settings import AmplitudeSettings
from split_amplitude_sandbox.clock import Clock
from split_amplitude_sandbox.settings import Settings
from split_amplitude_sandbox.store import Store


@dataclass
class Services:
    """What came in, the settings, what the routes delivered, and how long after its end an hour can be exported."""

    store: Store
    clock: Clock
    settings: Settings[AmplitudeSettings]
    log: RouteLog
    export_lag_hours: float
