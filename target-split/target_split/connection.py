"""Split as the settings address it: hosts, keys, the Admin API, the environment."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import cached_property
from typing import Any

from target_split.api.admin import AdminApi, Environment
from target_split.api.admin_v2 import ADMIN_URL as V2_URL
from target_split.api.admin_v2 import AdminV2
from target_split.api.admin_v4 import ADMIN_URL as V4_URL
from target_split.api.admin_v4 import AdminV4, account_of
from target_split.api.client import Client, Host
from target_split.common.errors import ConnectorError, hint
from target_split.common.retry import Retry
from target_split.common.service_clock import ServiceClock
from target_split.common.target.services import Services
from target_split.settings.checks import uses_v4

# After SIGTERM whoever sent it waits half a minute or less; what is in flight gets this long.
STOPPING_SECONDS = 10.0

# The clock behind Split's rate limits counts whole seconds.
FIRST_WAIT_SECONDS = 1.0


class Connection:
    """Split as the settings address it. Nothing is asked before it is needed.

    Attributes:
        clock: Split's time.
    """

    def __init__(self, config: Mapping[str, Any], services: Services) -> None:
        self._config = config
        self._services = services
        self.clock = ServiceClock("Split", services.summary.note)
        self._client = Client(services.summary, config["max_parallel_requests"], self.clock)

    def new_retry(self) -> Retry:
        """Return the retry of one request."""

        def count(reason: str, seconds: float) -> None:
            self._services.summary.add("http_retry_count")
            self._services.logger.info("Retrying in %.0f s: %s.", seconds, reason)

        return Retry(
            self._config["retry_timeout_seconds"],
            self._services.stopping,
            count,
            grace_seconds=STOPPING_SECONDS,
            first_wait_seconds=FIRST_WAIT_SECONDS,
        )

    @cached_property
    def events_host(self) -> Host:
        """The events API.

        Raises:
            ConnectorError: The key is missing.
        """
        if not self._config.get("sdk_api_key"):
            raise ConnectorError("Setting 'sdk_api_key' is missing: events need a server-side SDK key.")
        return Host(self._client, self._config["events_url"], "events_url", self._config["sdk_api_key"], self.new_retry)

    @cached_property
    def admin(self) -> AdminApi | None:
        """The Admin API; None where the settings do not address it."""
        config = self._config
        if not config.get("admin_api_key"):
            return None
        if uses_v4(config):
            account = config.get("account") or account_of(config["admin_api_key"])
            assert account is not None  # noqa: S101  # the settings were checked
            return AdminV4(self._admin_host(V4_URL), account, config["organization"], config["project"])
        organization, project = config.get("organization"), config.get("project")
        if not config.get("workspace_id") and not (organization and project):
            return None
        return AdminV2(
            self._admin_host(V2_URL), config["auth_header"], config.get("workspace_id"), organization, project
        )

    def _admin_host(self, default_url: str) -> Host:
        url = self._config.get("admin_url") or default_url
        return Host(self._client, url, "admin_url", self._config["admin_api_key"], self.new_retry)

    @cached_property
    def environment(self) -> Environment | None:
        """The environment that is set by id or name; None without one, or without an Admin API.

        Raises:
            ConnectorError: There is none of that id or name; the message lists those there are.
        """
        given = self._config.get("environment")
        if self.admin is None or given is None:
            return None
        environments = self.admin.environments()
        for environment in environments:
            if given in (environment.id, environment.name):
                return environment
        names = [environment.name for environment in environments]
        raise ConnectorError(
            f"Setting 'environment': the workspace has no environment '{given}'. {listing(given, names)}"
        )

    @cached_property
    def event_environment(self) -> str | None:
        """Name of the environment that events carry, if one is set."""
        return self.environment.name if self.environment else self._config.get("environment")

    @cached_property
    def _traffic_types(self) -> frozenset[str]:
        return frozenset(name.lower() for name in self.admin.traffic_types()) if self.admin else frozenset()

    def check_traffic_types(self, wanted: Collection[str]) -> None:
        """Check that traffic types exist, where there is an Admin API.

        Raises:
            ConnectorError: One does not; the message lists those that do.
        """
        if self.admin is None:
            return
        for name in sorted(set(wanted) - self._traffic_types):
            raise ConnectorError(
                f"Setting 'traffic_type': the workspace has no traffic type '{name}'. "
                f"{listing(name, self._traffic_types)}"
            )

    def check_segment_settings(self) -> None:
        """Check that all is set that segments need.

        Raises:
            ConnectorError: Something is missing.
        """
        place = [] if uses_v4(self._config) or self._config.get("project") else ["workspace_id"]
        missing = [name for name in ("admin_api_key", *place, "environment") if not self._config.get(name)]
        if missing:
            names = ", ".join(f"'{name}'" for name in missing)
            more = " (or 'organization' and 'project' in place of 'workspace_id')" if "workspace_id" in missing else ""
            raise ConnectorError(f"To load segments, set {names}{more}.")

    def close(self) -> None:
        """Close the connections."""
        self._client.close()


def listing(given: str, names: Collection[str]) -> str:
    """List names, and the one closest to what was given."""
    return f"There are: {', '.join(sorted(names)) or 'none'}.{hint(given, names)}"
