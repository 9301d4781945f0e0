"""Harness FME API v4 (https://developer.harness.io/api-reference). What its pages leave open is read both ways."""

from __future__ import annotations

from functools import cached_property
from typing import Any

from tap_split_impressions.api.client import BARE, Access, AdminClient, Refusals, Rows, all_pages

BASE_PATH = "/fme/api/v4"
DEFAULT_URL = "https://app.harness.io"
PAGE, FLAG_PAGE = 100, 50  # the largest of each list; for flags the sources name 50 and 100

# Harness tokens: kind, account, and the rest, joined by dots.
TOKEN_KINDS = frozenset({"pat", "sat"})

REFUSALS = Refusals(
    key="It must be a Harness token (pat. or sat.), as FME API v4 takes no Admin API key of Split. Create one in "
    "Harness under Account settings, Access control, Service accounts; for an Admin API key of Split set "
    "'workspace_id' in place of 'organization' and 'project'.",
    permission="Its service account needs view on Environments, Traffic Types, Feature Flags and Segments: Harness, "
    "Project settings, Access control, Role bindings.",
    scope="Check 'account', 'organization' and 'project'.",
)


def account_of(token: str) -> str | None:
    """Return the account id that a Harness token names; None where it is not such a token."""
    kind, _, rest = token.partition(".")
    account = rest.partition(".")[0]
    return account if kind in TOKEN_KINDS and account else None


class AdminV4:
    """The lists of a project over v4."""

    def __init__(self, access: Access, account: str, organization: str, project: str) -> None:
        self.scope = f"{account}/{organization}/{project}"
        query = {"account_id": account, "organization_identifier": organization, "project_identifier": project}
        self._client = AdminClient(access, BASE_PATH, [BARE], query, REFUSALS)

    @cached_property
    def environments(self) -> Rows:
        """Environments: `{id, name, production}`."""
        rows = all_pages(self._client, "/environments", "environments", PAGE)
        return [{**row, "production": row.get("isProduction")} for row in rows]

    @cached_property
    def traffic_types(self) -> Rows:
        """Traffic types: `{id, name}`."""
        return all_pages(self._client, "/traffic-types", "traffic types", PAGE)

    @cached_property
    def feature_flags(self) -> Rows:
        """Feature flags: `{id, name, trafficType: {id, name}, creationTime, rolloutStatus, …}`."""
        return [self._in_shape(row) for row in all_pages(self._client, "/feature-flags", "feature flags", FLAG_PAGE)]

    @cached_property
    def segments(self) -> Rows:
        """Standard segments: `{name, description, trafficType: {id, name}, creationTime, tags}`."""
        rows = all_pages(self._client, "/segments", "segments", PAGE, segment_type="STANDARD")
        return [self._in_shape(row) for row in rows]

    def _in_shape(self, row: dict[str, Any]) -> dict[str, Any]:
        """Return a row in the shape of v2: v4 names traffic types without their ids."""
        kind = row.get("trafficType")
        name = kind.get("name") if isinstance(kind, dict) else None
        return {
            **row,
            "trafficType": {"id": self._traffic_type_ids.get(name or ""), "name": name},
            "creationTime": row.get("createdAt"),
        }

    @cached_property
    def _traffic_type_ids(self) -> dict[str, Any]:
        return {str(row.get("name")): row.get("id") for row in self.traffic_types}
