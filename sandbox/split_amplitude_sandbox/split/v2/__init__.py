"""The Split Admin API v2 (`api.split.io/internal/api/v2`)."""

from __future__ import annotations

from split_amplitude_sandbox.split.v2.change_requests import ChangeRequestCalls
from split_amplitude_sandbox.split.v2.keys import KeyCalls
from split_amplitude_sandbox.split.v2.lookups import Lookups
from split_amplitude_sandbox.split.v2.segments import SegmentCalls

CALLS = (Lookups, SegmentCalls, KeyCalls, ChangeRequestCalls)
