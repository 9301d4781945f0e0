"""A stream of orders, plans of how to load it, and the events that they make."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from target_amplitude.mapping.grammar import LoadSettings
from target_amplitude.payloads.event import LIBRARY, EventReader
from target_amplitude.payloads.plan import StreamPlan

ORDERS = {
    "type": "object",
    "properties": {
        "id": {"type": "integer"},
        "customer_id": {"type": ["string", "integer", "null"]},
        "visitor": {"type": "object", "properties": {"id": {"type": ["string", "null"]}, "cookie.id": {}}},
        "created_at": {"type": ["string", "integer", "null"]},
        "kind": {"type": "string"},
        "total": {"type": ["number", "string", "null"]},
        "items": {"type": ["integer", "null"]},
        "company": {"type": ["string", "null"]},
        "country": {"type": ["string", "null"]},
        "cart": {"type": "object"},
        "_sdc_batched_at": {"type": "string"},
    },
}
ORDER = {
    "id": 17,
    "customer_id": 4711,
    "visitor": {"id": None, "cookie.id": "c-1"},
    "created_at": "2026-03-14T10:26:53.589123+01:00",
    "kind": "Order Completed",
    "total": "41.90",
    "items": 3,
    "company": "acme",
    "country": "DE",
    "cart": {"coupon": "A1", "lines": [{"sku": "x"}]},
    "_sdc_batched_at": "2026-03-14",
}
BASE = {"event_type": {"field": "kind"}, "user_id": "customer_id", "time": "created_at"}


def plan(
    mapping: dict[str, Any] | None, schema: dict[str, Any] = ORDERS, keys: Sequence[str] = ("id",), **settings: Any
) -> tuple[StreamPlan, list[str]]:
    changes: list[str] = []
    mappings = {} if mapping is None else {"orders": mapping}
    return StreamPlan("orders", schema, keys, LoadSettings(mappings=mappings, **settings), changes.append), changes


def event(mapping: dict[str, Any] | None, record: dict[str, Any] = ORDER, **options: Any) -> dict[str, Any]:
    made = EventReader(plan(mapping, **options)[0]).read(record)
    assert made.pop("library") == LIBRARY
    return made
