"""Event types that Split has seen lately."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Any

from split_amplitude_sandbox.clock import MILLISECONDS_PER_HOUR, Clock
from split_amplitude_sandbox.settings import Settings
from split_amplitude_sandbox.split.settings import SplitSettings
from split_amplitude_sandbox.store import Store

RECENT_MS = 30 * 24 * MILLISECONDS_PER_HOUR
SELECT = """
SELECT DISTINCT json_extract(text, '$.eventTypeId') AS name, json_extract(text, '$.trafficTypeName')
FROM (SELECT CAST(event AS TEXT) AS text FROM split_events)
WHERE json_extract(text, '$.timestamp') >= ? ORDER BY name
"""


class EventTypes:
    """Answers from the events that came in, by their own timestamps."""

    def __init__(self, store: Store, clock: Clock, settings: Settings[SplitSettings]) -> None:
        self._store = store
        self._clock = clock
        self._settings = settings

    def recent(self, traffic_types: set[str]) -> list[dict[str, Any]]:
        """Event types with events in the last 30 days: `{id, trafficTypes: [{name}]}`.

        Args:
            traffic_types: names; events of others belong to another project.
        """
        unseen = self._settings.current.unseen_event_types
        found: dict[str, list[dict[str, str]]] = {}
        for name, traffic_type in self._store.database.execute(SELECT, (self._clock.now_ms() - RECENT_MS,)):
            if traffic_type in traffic_types and not any(fnmatchcase(name, one) for one in unseen):
                found.setdefault(name, []).append({"name": traffic_type})
        return [{"id": name, "trafficTypes": names} for name, names in found.items()]
