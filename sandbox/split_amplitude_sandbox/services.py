"""What the sandbox's own calls share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from split_amplitude_sandbox.amplitude.service import Amplitude
from split_amplitude_sandbox.clock import Clock
from split_amplitude_sandbox.faults import Faults
from split_amplitude_sandbox.split.service import Split
from split_amplitude_sandbox.store import Store


@dataclass
class Services:
    """Both services, what they store, the planned failures, and the list of requests."""

    store: Store
    clock: Clock
    faults: Faults
    requests: list[dict[str, Any]]
    amplitude: Amplitude
    split: Split
