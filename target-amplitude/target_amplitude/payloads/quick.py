"""The usual impression as an event, or as a user property, in one step. Pure.

Nearly all impressions are alike: a text as key, a time as Split writes it, plain properties. `QuickImpressions` makes
exactly the event that `EventReader` makes of them, and `QuickFlags` sets the property that `FlagIdentifications` sets,
several times as fast; they refuse all others. They stand apart because goals for speed need them; what is sent is
decided in `event`, `identification` and `impressions`, and tests compare the two ways on generated records.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from target_amplitude.api.coerce import clean_properties, is_plain
from target_amplitude.api.limits import LARGEST_INTEGER, SMALLEST_INTEGER
from target_amplitude.common.record_paths import Record
from target_amplitude.payloads.event import LIBRARY
from target_amplitude.payloads.identification import FlagIdentifications
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
        return has_usual_columns(plan, PROPERTIES.values()) and plan.load_as == "event" and not plan.one_per_period

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


class UserProperty(msgspec.Struct, gc=False):
    """A value of a user property.

    Attributes:
        key: The user's or device's id.
        subject: `{"user_id": key}` or `{"device_id": key}`.
        time: Epoch milliseconds.
    """

    key: str
    subject: dict[str, str]
    name: str
    value: str
    time: int


class QuickFlags:
    """Reads the user properties that usual impressions set.

    Args:
        reader: Of the same stream; knows the flags and treatments that came so far.
        ids: Knows the keys and traffic types that came so far.
    """

    def __init__(self, reader: FlagIdentifications, ids: ImpressionIdReader) -> None:
        self._is_usual = ids.usual.include
        self._kinds = ids.kinds
        self._names = reader.names.usual
        self._treatments = reader.treatments.usual

    @staticmethod
    def fits(plan: StreamPlan) -> bool:
        """Whether a stream's usual records are usual impressions."""
        return has_usual_columns(plan, ("key", "split", "treatment", "traffic_type")) and plan.load_as == "identify"

    def read(self, record: Record) -> UserProperty | None:
        """Return the user property; None when the impression is not a usual one, or anything in it is new."""
        get: Callable[[str], Any] = record.get
        key, time = get("key"), usual_milliseconds(get("time"))
        kind = self._kinds.get(get("traffic_type") or "")
        name, value = self._names.get(get("split")), self._treatments.get(get("treatment"))
        if kind is None or name is None or value is None or time is None or not self._is_usual(key):
            return None
        return UserProperty(key, {kind: key}, name, value, time)


def has_usual_columns(plan: StreamPlan, columns: Iterable[str]) -> bool:
    """Whether some columns of impressions hold plain values, and no mapping says anything of them."""
    types = [plan.columns.get(column, {}).get("type", "any") for column in columns]
    return (
        plan.is_impression
        and plan.mapping.keys() <= {"filter"}
        and all(set([names] if isinstance(names, str) else names) <= PLAIN_TYPES for names in types)
    )
