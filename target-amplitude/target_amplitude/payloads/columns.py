"""Which columns of a stream its payloads need, so that the others are not even decoded. Pure."""

from __future__ import annotations

from target_amplitude.common.record_paths import field_path, source_paths
from target_amplitude.mapping.grammar import SELECTIONS, mapped_paths
from target_amplitude.payloads.impressions import ATTRIBUTES, COLUMNS, NATURAL_KEY, PROPERTIES, PROPERTIES_ON_REQUEST
from target_amplitude.payloads.plan import NATIVE_COLUMNS, StreamPlan


def needed_columns(plan: StreamPlan) -> frozenset[str] | None:
    """Return the columns that payloads need; None when that may be any column of a record."""
    if plan.is_impression:
        return _of_impressions(plan)
    return _of_native(plan) if plan.is_native and plan.load_as != "identify" else None


def _of_impressions(plan: StreamPlan) -> frozenset[str] | None:
    if plan.mapping.keys() & {"user_properties", "group_properties", "operations"}:
        return None
    if plan.load_as == "identify":
        return frozenset({"traffic_type", *COLUMNS} | _mapped(plan))
    columns = {"impression_id", "properties", "traffic_type", ATTRIBUTES, *NATURAL_KEY, *PROPERTIES.values()}
    if "event_properties" in plan.mapping:
        columns |= set(PROPERTIES_ON_REQUEST.values())
    key = plan.settings.experiment_key
    if key and not isinstance(key, str):
        columns.add(field_path(key)[0])
    return frozenset(columns | _mapped(plan))


def _of_native(plan: StreamPlan) -> frozenset[str] | None:
    if any(plan.column_of(member) is None for member in SELECTIONS if member in plan.mapping):
        return None  # properties are selected from the record's own columns
    if not plan.keys or not all(plan.is_always_set(key) for key in plan.keys):
        return None  # the whole of a record without a key gives its insert_id
    sources = {path[0] for source in plan.id_sources().values() for path in source_paths(source)}
    return frozenset((NATIVE_COLUMNS & plan.columns.keys()) | sources | set(plan.keys) | _mapped(plan))


def _mapped(plan: StreamPlan) -> set[str]:
    return {path[0] for _, path in mapped_paths(plan.mapping)}
