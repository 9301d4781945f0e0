"""Settings that both targets have."""

from __future__ import annotations

from typing import Any

DEFAULT_MAX_REJECTS = 1_000
DEFAULT_REJECT_SHARE = 0.2

REJECT_SETTINGS: dict[str, dict[str, Any]] = {
    "rejects_path": {
        "type": ["string", "null"],
        "title": "Rejects",
        "description": "File that keeps records which can never be delivered (dead letters), as JSON lines. Default: "
        "NAME-rejects.jsonl in the working directory, made when it is needed. Send them again with --replay.",
    },
    "max_rejects": {
        "type": ["integer", "null"],
        "minimum": 0,
        "default": DEFAULT_MAX_REJECTS,
        "title": "Most rejects",
        "description": "More rejected records than this stop the run.",
    },
    "max_reject_share": {
        "type": ["number", "null"],
        "minimum": 0,
        "maximum": 1,
        "default": DEFAULT_REJECT_SHARE,
        "title": "Largest share of rejects",
        "description": "A larger share of rejected records stops the run, 0 to 1. It counts from 100 records on.",
    },
}
