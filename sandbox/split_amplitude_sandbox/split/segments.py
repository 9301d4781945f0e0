"""Segments as the sandbox keeps them: created in a workspace, activated in an environment, filled with keys."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterable
from typing import Any, Literal

import msgspec

from split_amplitude_sandbox.clock import Clock
from split_amplitude_sandbox.settings import Settings
from split_amplitude_sandbox.split import seed
from split_amplitude_sandbox.split.answers import RefusedError
from split_amplitude_sandbox.split.keys import SegmentKeys
from split_amplitude_sandbox.split.settings import SplitSettings
from split_amplitude_sandbox.split.workspaces import Status, Workspaces
from split_amplitude_sandbox.store import Store

NAME_PATTERN = re.compile(r"[a-zA-Z][-_a-zA-Z0-9]{0,99}")
FORBIDDEN_NAMES = frozenset({"datetime", "string", "integer"})
SEGMENT, DEFINITION = "segment", "segment definition"

SegmentType = Literal["STANDARD", "LARGE", "RULE_BASED"]


class Segment(msgspec.Struct, kw_only=True):
    """A segment of a workspace; with an environment it is active there and holds these keys."""

    name: str
    traffic_type: str = "user"
    description: str | None = None
    workspace_id: str = seed.WORKSPACE_ID
    segment_type: SegmentType = "STANDARD"
    status: Status = "ACTIVE"
    tags: list[str] = []
    environment_id: str | None = None
    keys: list[str] = []


class Segments:
    """The segments of all workspaces. Their names are unique in a workspace, whatever their type."""

    def __init__(self, store: Store, clock: Clock, workspaces: Workspaces, settings: Settings[SplitSettings]) -> None:
        self._store = store
        self._clock = clock
        self._workspaces = workspaces
        self._settings = settings
        self.keys = SegmentKeys(store)

    def put(self, given: Iterable[Segment]) -> None:
        """Plant segments; keys are added to those the segment already has."""
        for one in given:
            self.create(one)
            if one.environment_id is not None:
                self.activate(self._workspaces.environment(one.environment_id), one.name, not_found=0)
                self.keys.add(one.environment_id, one.name, one.keys, replace=False)

    def dump(self) -> list[dict[str, Any]]:
        """All segments with all keys, one entry per environment; the environment is null when there is none."""
        return [entry | {"keys": self.keys.all(entry["environment_id"], entry["name"])} for entry in self._entries()]

    def summary(self, keys_shown: int) -> list[dict[str, Any]]:
        """All segments with the number of keys and the first few of them."""
        return [
            entry
            | {
                "count": self.keys.count(entry["environment_id"], entry["name"]),
                "keys": self.keys.first(entry["environment_id"], entry["name"], keys_shown),
            }
            for entry in self._entries()
        ]

    def _entries(self) -> list[dict[str, Any]]:
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

    def is_active(self, environment_id: str, name: str) -> bool:
        """Whether an environment has the segment."""
        return self._store.document(DEFINITION, f"{environment_id}/{name}") is not None

    def all_of_workspace(self, workspace_id: str, segment_type: SegmentType) -> list[dict[str, Any]]:
        """A workspace's segments of one type."""
        return [
            one
            for one in self._store.documents(SEGMENT)
            if (one["workspace_id"], one["segment_type"]) == (workspace_id, segment_type)
        ]

    def definitions(self, environment_id: str) -> list[dict[str, Any]]:
        """The definitions of standard segments in an environment."""
        return [
            one
            for one in self._store.documents(DEFINITION)
            if one["environment_id"] == environment_id
            and one["not_found"] == 0
            and self.of_workspace(one["workspace_id"], one["name"], None)["segment_type"] == "STANDARD"
        ]

    def of_workspace(self, workspace_id: str, name: str, segment_type: SegmentType | None) -> dict[str, Any]:
        """One segment, of the given type or of any, or 404."""
        found: dict[str, Any] | None = self._store.document(SEGMENT, f"{workspace_id}/{name}")
        if found is None or segment_type not in {None, found["segment_type"]}:
            raise RefusedError(404, "Segment not found")
        return found

    def definition(self, environment_id: str, name: str) -> dict[str, Any]:
        """One segment's definition in an environment, or 404, as in the first calls after its activation."""
        found: dict[str, Any] | None = self._store.document(DEFINITION, f"{environment_id}/{name}")
        if found is not None and not found["not_found"]:
            return found
        if found is not None:
            later = found | {"not_found": found["not_found"] - 1}
            self._store.put_document(DEFINITION, f"{environment_id}/{name}", later)
        raise RefusedError(404, "Segment not found in this environment")

    def create(self, given: Segment) -> dict[str, Any]:
        """Create a segment; its traffic type is an id or a name, or 404."""
        segment = {
            "id": uuid.uuid4().hex,
            "workspace_id": given.workspace_id,
            "name": given.name,
            "description": given.description,
            "traffic_type": self._workspaces.traffic_type(given.workspace_id, given.traffic_type),
            "segment_type": given.segment_type,
            "status": given.status,
            "tags": given.tags,
            "owners": [],
            "creation_time": self._clock.now_ms(),
        }
        self._store.put_document(SEGMENT, f"{given.workspace_id}/{given.name}", segment)
        return segment

    def create_new(self, given: Segment) -> dict[str, Any]:
        """Create a segment for a client; 400 for a name that is not allowed, 409 for a known one."""
        if not NAME_PATTERN.fullmatch(given.name) or given.name in FORBIDDEN_NAMES:
            raise RefusedError(400, "Segment names start with a letter, followed by letters, digits, '-' and '_'")
        if self._store.document(SEGMENT, f"{given.workspace_id}/{given.name}"):
            raise RefusedError(409, "Segment already exists")
        return self.create(given)

    def change(self, segment: dict[str, Any], members: dict[str, Any]) -> dict[str, Any]:
        """Change members of a segment."""
        changed = segment | members
        self._store.put_document(SEGMENT, f"{segment['workspace_id']}/{segment['name']}", changed)
        return changed

    def activate(
        self, environment: dict[str, Any], name: str, description: str | None = None, not_found: int | None = None
    ) -> dict[str, Any]:
        """Activate a segment in an environment; by default the settings say how many calls will not find it."""
        definition = {
            "id": uuid.uuid4().hex,
            "workspace_id": environment["workspace_id"],
            "environment_id": environment["id"],
            "environment_name": environment["name"],
            "name": name,
            "description": description,
            "creation_time": self._clock.now_ms(),
            "not_found": self._settings.current.activation_404s if not_found is None else not_found,
        }
        self._store.put_document(DEFINITION, f"{environment['id']}/{name}", definition)
        return definition

    def describe(self, definition: dict[str, Any], description: str | None) -> dict[str, Any]:
        """Change a definition's description."""
        changed = definition | {"description": description}
        self._store.put_document(DEFINITION, f"{definition['environment_id']}/{definition['name']}", changed)
        return changed

    def deactivate(self, environment_id: str, name: str) -> None:
        """Remove a segment and its keys from an environment."""
        self._store.delete_document(DEFINITION, f"{environment_id}/{name}")
        self.keys.clear(environment_id, name)

    def delete(self, workspace_id: str, name: str) -> None:
        """Delete a segment from its workspace and from every environment."""
        with self._store.transaction():
            for environment_id in self.environments_of(workspace_id, name):
                self.deactivate(environment_id, name)
            self._store.delete_document(SEGMENT, f"{workspace_id}/{name}")

    def environments_of(self, workspace_id: str, name: str) -> list[str]:
        """The ids of the environments in which a segment is active."""
        return [
            one["environment_id"]
            for one in self._store.documents(DEFINITION)
            if (one["workspace_id"], one["name"]) == (workspace_id, name)
        ]
