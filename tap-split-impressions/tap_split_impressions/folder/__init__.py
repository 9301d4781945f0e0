"""The folder of impression files: which are new, what is in them, and when they may go."""

from __future__ import annotations
