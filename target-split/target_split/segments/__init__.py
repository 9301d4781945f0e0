"""Members of lists, and the segments that follow them."""

from __future__ import annotations
