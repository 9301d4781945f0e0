"""Singer target for Split (Harness FME): events for metrics, cohorts as segments."""

from __future__ import annotations
