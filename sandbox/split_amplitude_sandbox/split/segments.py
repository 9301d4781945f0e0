"""Standard segments as the sandbox keeps them: made in a workspace, activated in an environment, filled with keys."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from split_amplitude_sandbox.clock import Clock
from split_amplitude_sandbox.split import seed
from split_amplitude_sandbox.split.answers import RefusedError
from split_amplitude_sandbox.split.workspace import Workspaces
from split_amplitude_sandbox.store import Store

MAX_KEYS_PER_SEGMENT = 100_000
SEGMENT, DEFINITION = "segment", "segment definition"


class Segment(msgspec.Struct):
    """A segment of a workspace; with an environment it is active there and holds these keys."""

    name: str
    traffic_type: str = "user"
    description: str | None = None
    workspace_id: str = seed.WORKSPACE_ID
    environment_id: str | None = None
    keys: list[str] = []


class Segments:
    """The segments of all workspaces."""

    def __init__(self, store: Store, clock: Clock, workspaces: Workspaces) -> None:
        self._store = store
        self._clock = clock
        self._workspaces = workspaces
        self._keys_version: tuple[int, str | None, str] | None = None
        self._keys: list[str] = []

    def put(self, given: Iterable[Segment]) -> None:
        """Plant segments; keys are added to those that are there.

        Raises:
            RefusedError: the traffic type or the environment does not exist.
        """
        for one in given:
            self.create(one.workspace_id, one.name, one.traffic_type, one.description)
            if one.environment_id is not None:
                self.activate(self._workspaces.environment(one.environment_id), one.name)
                self.add_keys(one.environment_id, one.name, one.keys, replace=False)

    def dump(self) -> list[dict[str, Any]]:
        """All segments with all keys, an entry for each environment; active in none, the environment is null."""
        return [place | {"keys": self.keys(place["environment_id"], place["name"])} for place in self._places()]

    def summary(self, keys_shown: int) -> list[dict[str, Any]]:
        """The same with the number of keys and the first of them."""
        return [
            place
            | {
                "count": self._count(place["environment_id"], place["name"]),
                "keys": self._select(place["environment_id"], place["name"], keys_shown),
            }
            for place in self._places()
        ]

    def _places(self) -> list[dict[str, Any]]:
        definitions = self._store.documents(DEFINITION)
        return [
            {
                "workspace_id": segment["workspace_id"],
                "name": segment["name"],
                "description": segment["description"],
                "traffic_type": segment["traffic_type"]["name"],
                "environment_id": definition["environment_id"],
                "environment_name": definition["environment_name"],
            }
            for segment in self._store.documents(SEGMENT)
            for definition in [
                one
                for one in definitions
                if (one["workspace_id"], one["name"]) == (segment["workspace_id"], segment["name"])
            ]
            or [{"environment_id": None, "environment_name": None}]
        ]

    def exists(self, workspace_id: str, name: str) -> bool:
        """Whether a workspace has the segment."""
        return self._store.document(SEGMENT, f"{workspace_id}/{name}") is not None

    def is_active(self, environment_id: str, name: str) -> bool:
        """Whether an environment has the segment."""
        return self._store.document(DEFINITION, f"{environment_id}/{name}") is not None

    def all_of_workspace(self, workspace_id: str) -> list[dict[str, Any]]:
        """A workspace's segments."""
        return [one for one in self._store.documents(SEGMENT) if one["workspace_id"] == workspace_id]

    def all_of_environment(self, environment_id: str) -> list[dict[str, Any]]:
        """The segments that are active in an environment."""
        return [
            self.of_workspace(one["workspace_id"], one["name"])
            for one in self._store.documents(DEFINITION)
            if one["environment_id"] == environment_id
        ]

    def of_workspace(self, workspace_id: str, name: str) -> dict[str, Any]:
        """One segment.

        Raises:
            RefusedError: 404.
        """
        found: dict[str, Any] | None = self._store.document(SEGMENT, f"{workspace_id}/{name}")
        if found is None:
            raise RefusedError(404, "Segment not found")
        return found

    def definition(self, environment_id: str, name: str) -> dict[str, Any]:
        """One segment's place in an environment.

        Raises:
            RefusedError: 404.
        """
        found: dict[str, Any] | None = self._store.document(DEFINITION, f"{environment_id}/{name}")
        if found is None:
            raise RefusedError(404, "Segment not found in this environment")
        return found

    def create(self, workspace_id: str, name: str, traffic_type: str, description: str | None) -> dict[str, Any]:
        """Make a segment; `traffic_type` is an id or a name.

        Raises:
            RefusedError: 404, there is no such traffic type.
        """
        segment = {
            "workspace_id": workspace_id,
            "name": name,
            "description": description,
            "traffic_type": self._workspaces.traffic_type(workspace_id, traffic_type),
            "creation_time": self._clock.now_ms(),
        }
        self._store.put_document(SEGMENT, f"{workspace_id}/{name}", segment)
        return segment

    def activate(self, environment: dict[str, Any], name: str) -> None:
        """Give an environment the segment."""
        definition = {
            "id": uuid.uuid4().hex,
            "workspace_id": environment["workspace_id"],
            "environment_id": environment["id"],
            "environment_name": environment["name"],
            "name": name,
        }
        self._store.put_document(DEFINITION, f"{environment['id']}/{name}", definition)

    def deactivate(self, environment_id: str, name: str) -> None:
        """Take the segment and its keys out of an environment."""
        self._store.delete_document(DEFINITION, f"{environment_id}/{name}")
        self._remove_all(environment_id, name)

    def delete(self, workspace_id: str, name: str) -> None:
        """Forget a segment in its workspace and in every environment."""
        with self._store.transaction():
            for one in self._store.documents(DEFINITION):
                if (one["workspace_id"], one["name"]) == (workspace_id, name):
                    self.deactivate(one["environment_id"], name)
            self._store.delete_document(SEGMENT, f"{workspace_id}/{name}")

    def add_keys(self, environment_id: str, name: str, keys: Sequence[str], *, replace: bool) -> None:
        """Add keys; those that are there already are left as they are.

        Args:
            environment_id: where.
            name: of the segment.
            keys: to add.
            replace: whether the keys that are there go first.

        Raises:
            RefusedError: 400, the segment would be too large; it stays as it was.
        """
        with self._store.transaction() as database:
            if replace:
                self._remove_all(environment_id, name)
            database.executemany(
                "INSERT OR IGNORE INTO segment_keys VALUES (?, ?, ?)", [(environment_id, name, key) for key in keys]
            )
            if self._count(environment_id, name) > MAX_KEYS_PER_SEGMENT:
                raise RefusedError(400, f"A segment holds at most {MAX_KEYS_PER_SEGMENT} keys")
            self._store.count_arrivals("Split segment keys", {name: len(keys)})

    def remove_keys(self, environment_id: str, name: str, keys: Sequence[str]) -> int:
        """Remove keys; return how many were there."""
        with self._store.transaction() as database:
            return database.executemany(
                "DELETE FROM segment_keys WHERE environment_id = ? AND segment = ? AND key = ?",
                [(environment_id, name, key) for key in keys],
            ).rowcount

    def keys(self, environment_id: str | None, name: str) -> Sequence[str]:
        """A segment's keys in order."""
        # Reading a segment page by page must not read all of it for each page; any write makes this stale.
        version = (self._store.database.total_changes, environment_id, name)
        if self._keys_version != version:
            self._keys_version, self._keys = version, self._select(environment_id, name, limit=-1)
        return self._keys

    def _select(self, environment_id: str | None, name: str, limit: int) -> list[str]:
        rows = self._store.database.execute(
            "SELECT key FROM segment_keys WHERE environment_id = ? AND segment = ? ORDER BY key LIMIT ?",
            (environment_id, name, limit),
        )
        return [key for (key,) in rows]

    def _count(self, environment_id: str | None, name: str) -> int:
        (count,) = self._store.database.execute(
            "SELECT count(*) FROM segment_keys WHERE environment_id = ? AND segment = ?", (environment_id, name)
        ).fetchone()
        return int(count)

    def _remove_all(self, environment_id: str, name: str) -> None:
        self._store.database.execute(
            "DELETE FROM segment_keys WHERE environment_id = ? AND segment = ?", (environment_id, name)
        )
