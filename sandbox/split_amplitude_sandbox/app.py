"""The whole sandbox as one ASGI application."""

from __future__ import annotations

from pathlib import Path

from starlette.applications import Starlette
from starlette.types import ASGIApp

from split_amplitude_sandbox.amplitude import answers as amplitude_answers
from split_amplitude_sandbox.amplitude.service import Amplitude
from split_amplitude_sandbox.clock import Clock
from split_amplitude_sandbox.control import Control
from split_amplitude_sandbox.faults import Faults
from split_amplitude_sandbox.gate import Gate
from split_amplitude_sandbox.page import Page
from split_amplitude_sandbox.services import Services
from split_amplitude_sandbox.split import answers as split_answers
from split_amplitude_sandbox.split.service import Split
from split_amplitude_sandbox.store import Store

REFUSALS = {
    amplitude_answers.RefusedError: amplitude_answers.refusal,
    split_answers.RefusedError: split_answers.refusal,
}


def create_app(*, data: Path | None, upload_time_offset: float, export_lag_hours: float) -> ASGIApp:
    """Put the parts together.

    Args:
        data: folder that keeps what comes in; None keeps it in memory.
        upload_time_offset: seconds added to Amplitude's upload time.
        export_lag_hours: hours after the end of an hour until it can be exported.
    """
    clock = Clock(upload_time_offset)
    store = Store(data, clock)
    faults = Faults()
    amplitude, split = Amplitude(store, clock, export_lag_hours), Split(store, clock)
    app = Starlette(exception_handlers=REFUSALS)
    gate = Gate(app, faults, clock)
    services = Services(store, clock, faults, gate.requests, amplitude, split)
    app.router.routes += [*amplitude.routes(), *split.routes(), *Control(services).routes(), *Page(services).routes()]
    return gate
