"""Split (Harness FME): events and the Admin API."""

from __future__ import annotations
