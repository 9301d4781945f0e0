"""What segments, names and checks need of an Admin API: one interface, implemented by `admin_v2` and `admin_v4`."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

Action = Literal["add", "remove"]


@dataclass(frozen=True)
class Environment:
    """An environment. Calls name it by its id, events by its name."""

    id: str
    name: str


@dataclass(frozen=True)
class Segment:
    """A standard segment as the workspace knows it."""

    name: str
    traffic_type: str
    description: str


@dataclass(frozen=True)
class Change:
    """Title and comment of a change to keys; some workspaces require both."""

    title: str
    comment: str


class RefusedError(Exception):
    """Split refuses a change to one segment; others may succeed. The message says why and what to do."""


class ApprovalRequiredError(RefusedError):
    """The environment takes changes to keys only after an approval."""


class PendingApprovalError(RefusedError):
    """Split took the change, but makes it only after an approval."""


class AdminApi(Protocol):
    """The calls that a connector needs. Each is repeated until it succeeds or fails for good.

    Every method may raise `ConnectorError`: the call is refused whatever the segment, or the retry deadline is over.
    """

    @property
    def scope(self) -> str:
        """What ids and names are unique in: the workspace, or account, organization and project."""
        ...

    def environments(self) -> list[Environment]:
        """Return the environments of the workspace."""
        ...

    def traffic_types(self) -> list[str]:
        """Return the names of the workspace's traffic types."""
        ...

    def segments(self) -> dict[str, Segment]:
        """Return the workspace's standard segments by name, active somewhere or not."""
        ...

    def active_segments(self, environment: str) -> set[str]:
        """Return the names of the standard segments that an environment has."""
        ...

    def create_segment(self, segment: Segment) -> bool:
        """Create a segment; return False when one of that name exists, of whatever kind."""
        ...

    def activate_segment(self, environment: str, name: str) -> None:
        """Give an environment a segment, and wait until its keys can be read and changed."""
        ...

    def key_count(self, environment: str, name: str) -> int | None:
        """Return how many keys a segment holds, in one request; None where Split does not say."""
        ...

    def keys(self, environment: str, name: str) -> set[str]:
        """Return all keys of a segment."""
        ...

    def change_keys(self, environment: str, name: str, action: Action, keys: Sequence[str], change: Change) -> None:
        """Add keys to a segment, or remove them: at most `MAX_KEYS_PER_CALL`.

        Raises:
            RefusedError: Split refuses it for this segment.
        """
        ...

    def request_change(self, environment: str, name: str, action: Action, keys: Sequence[str], change: Change) -> str:
        """Open a change request for keys; return its id.

        Raises:
            RefusedError: Split refuses it, or the API cannot open change requests.
        """
        ...

    def open_change_request(self, environment: str, name: str) -> str | None:
        """Return the id of a segment's open change request, if it has one."""
        ...

    def event_types(self, part: str) -> Collection[str] | None:
        """Return the names of event types that Split has seen, those with a text in them; None where it cannot tell."""
        ...
