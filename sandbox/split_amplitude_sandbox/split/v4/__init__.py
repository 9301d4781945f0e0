"""The Harness FME API v4 (`app.harness.io/fme/api/v4`), for the same workspaces as the Admin API v2."""

from __future__ import annotations

from split_amplitude_sandbox.split.v4.change_requests import ChangeRequestCalls
from split_amplitude_sandbox.split.v4.keys import KeyCalls
from split_amplitude_sandbox.split.v4.lookups import Lookups
from split_amplitude_sandbox.split.v4.segments import SegmentCalls

CALLS = (Lookups, SegmentCalls, KeyCalls, ChangeRequestCalls)
