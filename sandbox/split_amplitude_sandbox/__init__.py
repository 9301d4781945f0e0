"""A local twin of the HTTP APIs of Amplitude and of Split (Harness FME)."""

from __future__ import annotations
