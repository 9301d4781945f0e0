"""Settings about target-split's events."""

from __future__ import annotations

from typing import Any

from target_split.events.event import EventOptions
from target_split.mapping.sources import Defaults


def event_options(defaults: Defaults, **changes: Any) -> EventOptions:
    """Settings of a run with a ledger, unless changed."""
    usual = {
        "prefix": "amp.",
        "max_name_length": 63,
        "environment": "Production",
        "join_arrays": False,
        "destination": ["host", ""],
        "skip_own": True,
    }
    return EventOptions(defaults=defaults, **usual | changes)
