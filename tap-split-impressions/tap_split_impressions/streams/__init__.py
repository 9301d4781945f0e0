"""The streams, as Singer sees them."""

from __future__ import annotations
