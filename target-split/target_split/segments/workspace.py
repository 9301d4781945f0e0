"""Where segments and events go: the workspace and environment that settings name by id or by name."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from target_split.api.admin_v2 import Admin
from target_split.common.errors import ConnectorError, hint


class Place:
    """The workspace and environment that settings name, looked up when first needed.

    Args:
        admin: The Admin API.
        workspace: Id or name.
        environment: Id or name; None when no setting names one.
    """

    def __init__(self, admin: Admin, workspace: str, environment: str | None) -> None:
        self._admin = admin
        self.workspace, environments = self._find_workspace(workspace)
        self.environment_id, self.environment_name = find_environment(environments, environment)
        self._traffic_types = {name.lower() for name in admin.traffic_types(self.workspace)}

    def _find_workspace(self, given: str) -> tuple[str, list[dict[str, Any]]]:
        # As an id first: a key that may only edit segments may not be allowed to list workspaces.
        environments = self._admin.environments(given)
        if environments is not None:
            return given, environments
        workspaces = self._admin.workspaces()
        for workspace in workspaces:
            if given in (workspace["id"], workspace["name"]):
                return workspace["id"], self._admin.environments(workspace["id"]) or []
        names = [workspace["name"] for workspace in workspaces]
        raise ConnectorError(f"Setting 'workspace_id': there is no workspace '{given}'. {listing(given, names)}")

    @property
    def required_environment(self) -> str:
        """The environment's id."""
        if self.environment_id is None:
            raise ConnectorError("Setting 'environment' is missing: it says in which environment segments are filled.")
        return self.environment_id

    def check_traffic_types(self, wanted: frozenset[str]) -> None:
        """Check that traffic types exist.

        Raises:
            ConnectorError: One does not; the message lists those that do.
        """
        for name in sorted(wanted - self._traffic_types):
            raise ConnectorError(
                f"Setting 'traffic_type': the workspace has no traffic type '{name}'. "
                f"{listing(name, self._traffic_types)}"
            )


def find_environment(environments: Sequence[Mapping[str, Any]], given: str | None) -> tuple[str | None, str | None]:
    """Return the id and name of the environment that a setting names by either.

    Raises:
        ConnectorError: There is none; the message lists those there are.
    """
    if given is None:
        return None, None
    for environment in environments:
        if given in (environment["id"], environment["name"]):
            return environment["id"], environment["name"]
    names = [environment["name"] for environment in environments]
    raise ConnectorError(f"Setting 'environment': the workspace has no environment '{given}'. {listing(given, names)}")


def listing(given: str, names: Collection[str]) -> str:
    """Say which names there are, and the nearest."""
    return f"There are: {', '.join(sorted(names)) or 'none'}.{hint(given, names)}"
