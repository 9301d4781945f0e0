"""Ids of events in the ledger. Pure.

An id is 16 bytes: the hour of the event, and a hash of what tells the event from all others. Ids of events that come
in order of time lie beside each other in the ledger, which then stays fast however large it grows.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

ID_BYTES, HOUR_BYTES = 16, 4
HASH_BYTES = ID_BYTES - HOUR_BYTES

MILLISECONDS_PER_HOUR = 3_600_000

# Stands in place of the hour where the time of an event may change between runs, so that it stays one event.
NO_HOUR = b"\xff" * HOUR_BYTES
LAST_HOUR = 2**32 - 2


class EventIds:
    """Makes the ids of one stream's events.

    Args:
        destination: What tells the place where events go from others.
        stream: Name of the stream.
    """

    def __init__(self, destination: Sequence[str], stream: str) -> None:
        prefix = hashlib.blake2b("\0".join([*destination, stream]).encode(errors="surrogatepass"), digest_size=ID_BYTES)
        self._hash = hashlib.blake2b(prefix.digest(), digest_size=ID_BYTES)

    def of(self, identity: bytes, timestamp: int | None = None) -> bytes:
        """Return the id of an event.

        Args:
            identity: What tells it from all others of its stream.
            timestamp: Its time in milliseconds since 1970; None where that may change between runs.
        """
        hashed = self._hash.copy()
        hashed.update(identity)
        return hour_of(timestamp) + hashed.digest()[:HASH_BYTES]


def hour_of(timestamp: int | None) -> bytes:
    """Return the first bytes of the id of an event at a time."""
    if timestamp is None:
        return NO_HOUR
    return min(max(timestamp, 0) // MILLISECONDS_PER_HOUR, LAST_HOUR).to_bytes(HOUR_BYTES, "big")
