"""From lists of members to segments."""

from __future__ import annotations
