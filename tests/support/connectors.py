"""The four connectors: settings with which each runs, and what a target reads."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from support.amplitude import event, events_messages, members, members_messages
from support.impressions import impression, messages
from support.receiver import posted

TAPS = ("tap-split-impressions", "tap-amplitude")
TARGETS = ("target-amplitude", "target-split")


def config_of(plugin: str, url: str, folder: Path) -> dict[str, Any]:
    """Settings with which a connector runs, with a server of the test and files in a folder, and retries nothing."""
    if plugin == "tap-split-impressions":
        (folder / "in").mkdir(exist_ok=True)
        (folder / "in" / "impressions.jsonl").write_text(json.dumps(posted(1)) + "\n", encoding="utf-8")
        return {"path": str(folder / "in"), "settle_seconds": 0, "api_url": url, "retry_timeout_seconds": 0}
    if plugin == "tap-amplitude":
        keys = {"api_key": "k3y-0123", "secret_key": "s3cret-0123"}
        dates = {"start_date": "2026-03-14", "end_date": "2026-03-14T01:00:00Z"}
        return keys | dates | {"api_url": url, "retry_timeout_seconds": 0, "spool_directory": str(folder)}
    shared = {"retry_timeout_seconds": 0, "rejects_path": str(folder / "rejects.jsonl"), "max_reject_share": 1}
    if plugin == "target-amplitude":
        return shared | {"api_key": "k3y-0123", "api_url": url}
    return shared | {
        "sdk_api_key": "k3y-0123",
        "admin_api_key": "k3y-4567",
        "workspace_id": "ws-demo",
        "environment": "Production",
        "events_url": url,
        "admin_url": url,
        "ledger_path": str(folder / "ledger.sqlite"),
    }


def stream_of(target: str) -> list[dict[str, Any]]:
    """Messages that a target takes, of each kind of stream that it knows."""
    if target == "target-amplitude":
        return [*messages([impression(1), impression(2)]), {"type": "STATE", "value": {"bookmarks": {}}}]
    return [*events_messages([event(1), event(2)]), *members_messages(members(2))]
