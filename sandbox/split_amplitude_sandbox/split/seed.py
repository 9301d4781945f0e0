"""What a new sandbox holds on Split's side: one workspace."""

from __future__ import annotations

WORKSPACE_ID = "ws-demo"
WORKSPACES = [{"id": WORKSPACE_ID, "name": "Demo"}]
ENVIRONMENTS = [
    {"id": "env-prod", "name": "Production", "production": True},
    {"id": "env-staging", "name": "Staging"},
    {"id": "env-dev", "name": "Development"},
]
TRAFFIC_TYPES = [
    {"id": "tt-user", "name": "user"},
    {"id": "tt-account", "name": "account"},
    {"id": "tt-anonymous", "name": "anonymous"},
]
FEATURE_FLAGS = [
    {"name": "checkout_redesign", "traffic_type": "user"},
    {"name": "new_search", "traffic_type": "user"},
    {"name": "pricing_page", "traffic_type": "user"},
    {"name": "onboarding_flow", "traffic_type": "user"},
    {"name": "dark_mode", "traffic_type": "user"},
    {"name": "recommendations_v2", "traffic_type": "user"},
    {"name": "account_billing", "traffic_type": "account"},
    {"name": "sso_login", "traffic_type": "account"},
]
