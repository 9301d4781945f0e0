"""What the tap needs of an Admin API: one interface, implemented by `admin_v2` and `admin_v4`."""

from __future__ import annotations

from typing import Any, Protocol

Rows = list[dict[str, Any]]


class AdminLists(Protocol):
    """The lists of one workspace (Harness: project), in the shapes of the Admin API v2. Each is fetched once.

    Every list may raise `ConnectorError`: Split refuses it, or the retry deadline is over.
    """

    @property
    def scope(self) -> str:
        """What names are unique in: the workspace's id, or account, organization and project."""
        ...

    @property
    def environments(self) -> Rows:
        """Environments: `{id, name, production}`."""
        ...

    @property
    def traffic_types(self) -> Rows:
        """Traffic types: `{id, name, displayAttributeId}`."""
        ...

    @property
    def feature_flags(self) -> Rows:
        """Feature flags: `{id, name, trafficType: {id, name}, creationTime, rolloutStatus, tags, owners, …}`."""
        ...

    @property
    def segments(self) -> Rows:
        """Standard segments: `{name, description, trafficType: {id, name}, creationTime, tags}`."""
        ...
