"""What the calls of Split share."""

from __future__ import annotations

from dataclasses import dataclass

from split_amplitude_sandbox.clock import Clock
from split_amplitude_sandbox.settings import Settings
from split_amplitude_sandbox.split.access import Access
from split_amplitude_sandbox.split.change_requests import ChangeRequests
from split_amplitude_sandbox.split.segments import Segments
from split_amplitude_sandbox.split.settings import SplitSettings
from split_amplitude_sandbox.split.workspaces import Workspaces
from split_amplitude_sandbox.store import Store


@dataclass
class Services:
    """What Split holds, who may do what, and the settings."""

    store: Store
    clock: Clock
    settings: Settings[SplitSettings]
    access: Access
    workspaces: Workspaces
    segments: Segments
    change_requests: ChangeRequests
