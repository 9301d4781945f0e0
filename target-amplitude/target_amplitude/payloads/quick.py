"""The usual impression as an event, in one step. Pure.

Nearly all impressions are alike: a text as key, a time as Split writes it, plain properties. `QuickImpressions` makes
exactly the event that `EventReader` makes of them, several times as fast, and refuses all others. It stands apart
because a goal for speed needs it; what an event holds is decided in `event` and `impressions`, and a test compares
the two on generated records.
"""

from __future__ import annotations

from typing import Any

from target_amplitude.api.coerce import clean_properties, is_plain
from target_amplitude.api.limits import LARGEST_INTEGER, SMALLEST_INTEGER
from target_amplitude.common.record_paths import Record
from target_amplitude.payloads.event import LIBRARY
from target_amplitude.payloads.identity import ImpressionIdReader, usual_milliseconds
from target_amplitude.payloads.impressions import PROPERTIES
from target_amplitude.payloads.plan import StreamPlan

# A column whose schema says no more than these is sent as it is.
PLAIN_TYPES = frozenset({"string", "integer", "null"})


class QuickImpressions:
    """Makes events of usual impressions.

    Args:
        plan: Of a stream of impressions that are loaded as events without a mapping (but for a filter).
        ids: Knows the keys and traffic types that came so far.
    """

    def __init__(self, plan: StreamPlan, ids: ImpressionIdReader) -> None:
        self._pairs = tuple(PROPERTIES.items())
        self._is_usual = ids.usual.include
        self._kinds = ids.kinds
        self._event_type = plan.settings.event_type
        self._count = plan.count

    @staticmethod
    def fits(plan: StreamPlan) -> bool:
        """Whether a stream's usual records are usual impressions."""
        types = [plan.columns.get(column, {}).get("type", "any") for column in PROPERTIES.values()]
        return (
            plan.is_impression
            and plan.load_as == "event"
            and plan.mapping.keys() <= {"filter"}
            and not plan.one_per_period
            and all(set([names] if isinstance(names, str) else names) <= PLAIN_TYPES for names in types)
        )

    def read(self, record: Record) -> dict[str, Any] | None:
        """Return the event; None when the impression is not a usual one.

        Its properties are to be cleaned if it has over 1,024 bytes, as one of their texts may be too long.
        """
        get = record.get
        key, insert_id, version, own = get("key"), get("impression_id"), get("split_version_number"), get("properties")
        kind = self._kinds.get(get("traffic_type") or "")
        time = usual_milliseconds(get("time"))
        if (
            kind is None
            or time is None
            or not self._is_usual(key)
            or (type(insert_id) is not str or not insert_id or insert_id.isspace())
            or (version is not None and not SMALLEST_INTEGER <= version <= LARGEST_INTEGER)
            or (own and type(own) is not dict)
        ):
            return None
        properties = {name: value for name, column in self._pairs if (value := get(column)) is not None}
        if own:
            properties.update(own if None not in own.values() else {n: v for n, v in own.items() if v is not None})
            if not is_plain(own):
                properties = clean_properties(properties, self._count)
        return {
            kind: key,
            "event_type": self._event_type,
            "time": time,
            "event_properties": properties,
            "insert_id": insert_id,
            "library": LIBRARY,
        }
