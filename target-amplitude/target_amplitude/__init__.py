"""Singer target for Amplitude: events, exposures and user properties."""

from __future__ import annotations
