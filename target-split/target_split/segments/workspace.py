"""The workspace and environment that settings name, looked up when first needed."""

from __future__ import annotations

from collections.abc import Collection
from functools import cached_property

from target_split.api.admin import AdminApi, Environment
from target_split.common.errors import ConnectorError, hint


class Workspace:
    """The workspace and environment that settings name.

    Args:
        admin: The Admin API.
        environment: Id or name; None when the setting is missing.
    """

    def __init__(self, admin: AdminApi, environment: str | None) -> None:
        self._admin = admin
        self._given = environment

    @cached_property
    def environment(self) -> Environment | None:
        """The environment; None when the setting is missing.

        Raises:
            ConnectorError: There is none of that id or name; the message lists those there are.
        """
        if self._given is None:
            return None
        environments = self._admin.environments()
        for environment in environments:
            if self._given in (environment.id, environment.name):
                return environment
        names = [environment.name for environment in environments]
        raise ConnectorError(
            f"Setting 'environment': the workspace has no environment '{self._given}'. {listing(self._given, names)}"
        )

    @property
    def required_environment(self) -> Environment:
        """The environment.

        Raises:
            ConnectorError: The setting is missing, or there is none of that id or name.
        """
        if self.environment is None:
            raise ConnectorError("Setting 'environment' is missing: it says in which environment segments are filled.")
        return self.environment

    @cached_property
    def _traffic_types(self) -> frozenset[str]:
        return frozenset(name.lower() for name in self._admin.traffic_types())

    def check_traffic_types(self, wanted: Collection[str]) -> None:
        """Check that traffic types exist.

        Raises:
            ConnectorError: One does not; the message lists those that do.
        """
        for name in sorted(set(wanted) - self._traffic_types):
            raise ConnectorError(
                f"Setting 'traffic_type': the workspace has no traffic type '{name}'. "
                f"{listing(name, self._traffic_types)}"
            )


def listing(given: str, names: Collection[str]) -> str:
    """List names, and the one closest to what was given."""
    return f"There are: {', '.join(sorted(names)) or 'none'}.{hint(given, names)}"
