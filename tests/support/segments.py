"""Cohorts for target-split, and the segments that it makes of them in the sandbox."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from support.sandbox import Sandbox

NAME = "amp_Power_users"
COHORTS = {
    "type": "SCHEMA",
    "stream": "cohorts",
    "schema": {"properties": {name: {} for name in ("id", "name", "size", "finished", "lastComputed")}},
    "key_properties": ["id"],
}


def activated(stream: str = "cohort_members") -> dict[str, Any]:
    return {"type": "ACTIVATE_VERSION", "stream": stream, "version": 1}


def cohort(size: int, cohort_id: str = "ab12cd3", name: str = "Power users", **changes: Any) -> dict[str, Any]:
    record = {"id": cohort_id, "name": name, "size": size, "finished": True, "lastComputed": None}
    return {"type": "RECORD", "stream": "cohorts", "record": record | changes}


def put_segment(sandbox: Sandbox, name: str = NAME, keys: Sequence[str] = (), **changes: Any) -> None:
    segment = {"name": name, "environment_id": "env-prod", "keys": list(keys)}
    sandbox.call("POST", "/split/segments", [segment | changes])


def keys(sandbox: Sandbox, name: str = NAME) -> list[str]:
    [found] = [one["keys"] for one in sandbox.split_segments() if one["name"] == name]
    return found


def users(count: int, start: int = 0) -> list[str]:
    return [f"user-{n:04}" for n in range(start, start + count)]


def writes(sandbox: Sandbox) -> list[tuple[str, int]]:
    """Calls that change keys: add or remove, and how many."""
    words = {"uploadKeys": "add", "keys": "add", "removeKeys": "remove", "remove": "remove"}
    calls = [(r, r["path"].rsplit("/", 1)[1]) for r in sandbox.requests() if r["method"] in ("PUT", "POST")]
    return [(words[last], r["items"]) for r, last in calls if last in words]


@dataclass(frozen=True)
class Api:
    """An Admin API: its settings, and where its calls go."""

    settings: dict[str, str]
    base: str
    create_path: str
    add_path: str
    add_method: str


APIS = {
    "v2": Api(
        {"workspace_id": "ws-demo"}, "/internal/api/v2/*", "/internal/api/v2/segments/ws/*", "*/uploadKeys", "PUT"
    ),
    "v4": Api(
        {"organization": "default", "project": "demo", "admin_api_key": "sat.demoAccount.test.token"},
        "/fme/api/v4/*",
        "/fme/api/v4/segments",
        "*/keys",
        "POST",
    ),
}
