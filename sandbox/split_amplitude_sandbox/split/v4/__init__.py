"""The Harness FME API v4 (`app.harness.io/fme/api/v4`), for the same workspaces as the Admin API v2."""

from __future__ import annotations
