"""Amplitude's users: their Amplitude ids and their resulting properties."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import msgspec

from split_amplitude_sandbox.amplitude import user_properties
from split_amplitude_sandbox.amplitude.event import truncated
from split_amplitude_sandbox.clock import MILLISECONDS_PER_HOUR
from split_amplitude_sandbox.store import Store

FIRST_AMPLITUDE_ID = 200_000_000_001
UPDATES_PER_HOUR = 1800
"""More updates per user and hour are dropped silently (HTTP V2 page, "Limits")."""


@dataclass
class User:
    """One user, known by a user id or, while anonymous, by a device id."""

    amplitude_id: int
    identity: str
    user_id: str | None
    device_id: str | None
    properties: dict[str, Any] = field(default_factory=dict)
    created_ms: int | None = None
    updates_hour: int = 0
    updates: int = 0
    _encoded: bytes | None = None

    def update(self, given: dict[str, Any], moment_ms: int) -> None:
        """Apply an update of user properties, unless the hour's limit is reached."""
        hour = moment_ms // MILLISECONDS_PER_HOUR
        if hour != self.updates_hour:
            self.updates_hour, self.updates = hour, 0
        self.updates += 1
        if self.updates <= UPDATES_PER_HOUR:
            user_properties.apply(self.properties, truncated(given))
            self._encoded = None

    @property
    def encoded_properties(self) -> bytes:
        """The current properties as JSON."""
        if self._encoded is None:
            self._encoded = msgspec.json.encode(self.properties)
        return self._encoded


class Users:
    """The users of one request: read together, updated, written together."""

    def __init__(self, store: Store, identities: Iterable[str]) -> None:
        self._store = store
        rows = store.database.execute(
            "SELECT * FROM amplitude_users WHERE identity IN (SELECT value FROM json_each(?))",
            (msgspec.json.encode(list(identities)).decode(),),
        )
        self._users = {
            identity: User(number, identity, user_id, device_id, msgspec.json.decode(properties), *rest)
            for number, identity, user_id, device_id, properties, *rest in rows
        }
        (highest,) = store.database.execute("SELECT max(amplitude_id) FROM amplitude_users").fetchone()
        self._next_id = (highest or FIRST_AMPLITUDE_ID - 1) + 1

    def get(self, identity: str, user_id: str | None, device_id: str | None) -> User:
        """A known user, or a new one."""
        user = self._users.get(identity)
        if user is None:
            user = self._users[identity] = User(self._next_id, identity, user_id, device_id)
            self._next_id += 1
        elif device_id:
            user.device_id = device_id
        return user

    def save(self) -> None:
        """Write all of them; the caller commits."""
        self._store.database.executemany(
            "INSERT OR REPLACE INTO amplitude_users VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            [
                (
                    user.amplitude_id,
                    user.identity,
                    user.user_id,
                    user.device_id,
                    user.encoded_properties,
                    user.created_ms,
                    user.updates_hour,
                    user.updates,
                )
                for user in self._users.values()
            ],
        )
