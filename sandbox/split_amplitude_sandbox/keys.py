"""Which keys are accepted: every non-empty one, except those that say they are wrong."""

from __future__ import annotations

REFUSED_KEY_PARTS = ("wrong", "other-region")


def is_accepted(key: str) -> bool:
    """Whether a service accepts a key."""
    return bool(key) and not any(part in key for part in REFUSED_KEY_PARTS)
