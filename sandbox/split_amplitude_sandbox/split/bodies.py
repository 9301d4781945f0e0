"""Request bodies of Split's APIs."""

from __future__ import annotations

from typing import TypeVar

import msgspec

from split_amplitude_sandbox.split.answers import RefusedError

Body = TypeVar("Body")


def decoded(body: bytes, kind: type[Body]) -> Body:
    """A JSON body as the given type; 400 when it is not JSON or does not fit."""
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise RefusedError(400, str(error)) from None
