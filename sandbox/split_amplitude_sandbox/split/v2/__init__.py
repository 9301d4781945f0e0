"""The Split Admin API v2 (`api.split.io/internal/api/v2`)."""

from __future__ import annotations
