"""Amplitude: ingestion, identify, export, cohorts and the other read APIs."""

from __future__ import annotations
