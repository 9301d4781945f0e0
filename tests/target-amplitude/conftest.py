from __future__ import annotations

from support.amplitude_target import config

__all__ = ["config"]
