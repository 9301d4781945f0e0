"""Singer tap for Amplitude: raw events, cohorts with their members, taxonomy and dashboard figures."""

from __future__ import annotations
