"""Ids of events in the ledger. Pure.

An id is 16 bytes: the hour of the event, and a hash of what tells the event from all others. Ids of events that come
in order of time lie beside each other in the ledger, which then stays fast however large it grows.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b

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
        self._prefix = hashed("\0".join([*destination, stream]).encode(errors="surrogatepass"))
        self._hour, self._hour_bytes = -1, b""  # of the last event: the next one is likely of the same hour

    def of(self, identity: bytes, timestamp: int | None = None) -> bytes:
        """Return the id of an event.

        Args:
            identity: What tells it from all others of its stream.
            timestamp: Its time in milliseconds since 1970; None where that may change between runs.
        """
        digest = blake2b(self._prefix + identity, digest_size=ID_BYTES).digest()[:HASH_BYTES]
        if timestamp is None:
            return NO_HOUR + digest
        hour = timestamp // MILLISECONDS_PER_HOUR
        if hour != self._hour:
            self._hour, self._hour_bytes = hour, min(max(hour, 0), LAST_HOUR).to_bytes(HOUR_BYTES, "big")
        return self._hour_bytes + digest


def hashed(text: bytes) -> bytes:
    """Return a hash of `ID_BYTES`."""
    return blake2b(text, digest_size=ID_BYTES).digest()
