"""Event types that Split has seen lately."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Any

from split_amplitude_sandbox.clock import MILLISECONDS_PER_HOUR
from split_amplitude_sandbox.split.services import Services

RECENT_MS = 30 * 24 * MILLISECONDS_PER_HOUR
SELECT = """
SELECT DISTINCT json_extract(text, '$.eventTypeId') AS name, json_extract(text, '$.trafficTypeName')
FROM (SELECT CAST(event AS TEXT) AS text FROM split_events)
WHERE json_extract(text, '$.timestamp') >= ? ORDER BY name
"""


def recent_event_types(services: Services, traffic_types: set[str]) -> list[dict[str, Any]]:
    """Event types with events in the last 30 days, by the events' own timestamps: `{id, trafficTypes: [{name}]}`.

    Args:
        services: hold the events that came in, and which event types Split has not seen.
        traffic_types: names; events of others belong to another project.
    """
    unseen = services.settings.current.unseen_event_types
    found: dict[str, list[dict[str, str]]] = {}
    rows = services.store.database.execute(SELECT, (services.clock.now_ms() - RECENT_MS,))
    for name, traffic_type in rows:
        if traffic_type in traffic_types and not any(fnmatchcase(name, one) for one in unseen):
            found.setdefault(name, []).append({"name": traffic_type})
    return [{"id": name, "trafficTypes": names} for name, names in found.items()]
