"""Ids of events in the ledger. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

ID_BYTES = 16


class EventIds:
    """Makes the ids of one stream's events: 16 bytes of hash over the destination, the stream and the event's key."""

    def __init__(self, destination: Sequence[str], stream: str) -> None:
        self._prefix = hashed("\0".join([*destination, stream]).encode())

    def of(self, identity: bytes) -> bytes:
        """Return the id of an event that these bytes tell from all others of its stream."""
        return hashed(self._prefix + identity)


def hashed(text: bytes) -> bytes:
    """Return 16 bytes of hash."""
    return hashlib.blake2b(text, digest_size=ID_BYTES).digest()
