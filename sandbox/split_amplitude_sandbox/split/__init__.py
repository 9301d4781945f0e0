"""Split (Harness FME): events, the Admin API v2 and the API v4 over the same workspaces."""

from __future__ import annotations
