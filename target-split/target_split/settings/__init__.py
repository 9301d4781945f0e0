"""The settings, as `--about` lists them, and what JSON types cannot check of them."""

from __future__ import annotations

from target_split.settings.checks import problems_of
from target_split.settings.schema import SETTINGS

__all__ = ["SETTINGS", "problems_of"]
