"""Small programs for those who work on this repository."""

from __future__ import annotations
