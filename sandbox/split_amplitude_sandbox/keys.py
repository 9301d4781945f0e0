"""Which keys are accepted: every non-empty one, except those that say they are wrong."""

from __future__ import annotations

import base64
import binascii

from starlette.requests import Request

REFUSED_KEY_PARTS = ("wrong", "other-region")


def is_accepted(key: str) -> bool:
    """Whether a service accepts a key."""
    return bool(key) and not any(part in key for part in REFUSED_KEY_PARTS)


def has_read_access(request: Request) -> bool:
    """Whether HTTP Basic carries an API key and a secret key (Export API page, "Authorization")."""
    scheme, _, encoded = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return False
    try:
        api_key, _, secret_key = base64.b64decode(encoded, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return False
    return is_accepted(api_key) and is_accepted(secret_key)
