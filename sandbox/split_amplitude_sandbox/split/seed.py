"""What a new sandbox holds on Split's side: one workspace, which is one project of a Harness account."""

from __future__ import annotations

from typing import Any

WORKSPACE_ID = "ws-demo"
ACCOUNT_ID = "demoAccount"
ORGANIZATION = "default"
PROJECT = "demo"
WORKSPACES: list[dict[str, Any]] = [
    {
        "id": WORKSPACE_ID,
        "name": "Demo",
        "account_id": ACCOUNT_ID,
        "organizationIdentifier": ORGANIZATION,
        "projectIdentifier": PROJECT,
    }
]
ENVIRONMENTS: list[dict[str, Any]] = [
    {"id": "env-prod", "name": "Production", "production": True},
    {"id": "env-staging", "name": "Staging"},
    {"id": "env-dev", "name": "Development"},
]
TRAFFIC_TYPES: list[dict[str, Any]] = [
    {"id": "tt-user", "name": "user"},
    {"id": "tt-account", "name": "account"},
    {"id": "tt-anonymous", "name": "anonymous"},
]
FEATURE_FLAGS: list[dict[str, Any]] = [
    {"name": "checkout_redesign", "traffic_type": "user"},
    {"name": "new_search", "traffic_type": "user"},
    {"name": "pricing_page", "traffic_type": "user"},
    {"name": "onboarding_flow", "traffic_type": "user"},
    {"name": "dark_mode", "traffic_type": "user"},
    {"name": "recommendations_v2", "traffic_type": "user"},
    {"name": "account_billing", "traffic_type": "account"},
    {"name": "sso_login", "traffic_type": "account"},
]
