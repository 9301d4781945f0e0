"""What each stream's records hold: one table per stream, from which its JSON schema and its cleaning follow."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from enum import Enum, auto
from typing import Any


class Kind(Enum):
    """What a field may hold besides null."""

    TEXT = auto()
    INTEGER = auto()
    NUMBER = auto()
    BOOLEAN = auto()
    OBJECT = auto()
    LIST = auto()
    TIME = auto()
    DATE = auto()
    # Described in two ways by Amplitude's own pages; both are passed on as they come.
    TEXT_OR_BOOLEAN = auto()
    TEXT_OR_INTEGER = auto()
    TEXT_OR_LIST = auto()


Fields = Mapping[str, Kind]

JSON_TYPES: Mapping[Kind, tuple[str, ...]] = {
    Kind.TEXT: ("string",),
    Kind.INTEGER: ("integer",),
    Kind.NUMBER: ("number",),
    Kind.BOOLEAN: ("boolean",),
    Kind.OBJECT: ("object",),
    Kind.LIST: ("array",),
    Kind.TIME: ("string",),
    Kind.DATE: ("string",),
    Kind.TEXT_OR_BOOLEAN: ("boolean", "string"),
    Kind.TEXT_OR_INTEGER: ("integer", "string"),
    Kind.TEXT_OR_LIST: ("array", "string"),
}
FORMATS: Mapping[Kind, dict[str, Any]] = {
    Kind.TIME: {"format": "date-time"},
    Kind.DATE: {"format": "date"},
    Kind.OBJECT: {"additionalProperties": True},
    Kind.LIST: {"items": {}},
    Kind.TEXT_OR_LIST: {"items": {}},
}


def json_schema(fields: Fields, required: Collection[str] = ()) -> dict[str, Any]:
    """Return the JSON schema of records with these fields; those not named may come as well.

    Args:
        fields: The kind of each field.
        required: Fields that are never null or absent.
    """
    return {
        "type": "object",
        "properties": {
            name: {"type": [*JSON_TYPES[kind], *(() if name in required else ("null",))], **FORMATS.get(kind, {})}
            for name, kind in fields.items()
        },
        "required": list(required),
        "additionalProperties": True,
    }


# The 55 members of an exported row; the documentation page lists 40 of them, all rows carry all of them.
# Source: https://amplitude.com/docs/apis/analytics/export
EXPORTED: Fields = {
    "$insert_id": Kind.TEXT,
    "$insert_key": Kind.TEXT,
    "$schema": Kind.INTEGER,
    "adid": Kind.TEXT,
    "amplitude_attribution_ids": Kind.TEXT_OR_LIST,
    "amplitude_event_type": Kind.TEXT,
    "amplitude_id": Kind.INTEGER,
    "app": Kind.INTEGER,
    "city": Kind.TEXT,
    "client_event_time": Kind.TIME,
    "client_upload_time": Kind.TIME,
    "country": Kind.TEXT,
    "data": Kind.OBJECT,
    "data_type": Kind.TEXT,
    "device_brand": Kind.TEXT,
    "device_carrier": Kind.TEXT,
    "device_family": Kind.TEXT,
    "device_id": Kind.TEXT,
    "device_manufacturer": Kind.TEXT,
    "device_model": Kind.TEXT,
    "device_type": Kind.TEXT,
    "dma": Kind.TEXT,
    "event_id": Kind.INTEGER,
    "event_properties": Kind.OBJECT,
    "event_time": Kind.TIME,
    "event_type": Kind.TEXT,
    "global_user_properties": Kind.OBJECT,
    "group_properties": Kind.OBJECT,
    "groups": Kind.OBJECT,
    "idfa": Kind.TEXT,
    "ip_address": Kind.TEXT,
    "is_attribution_event": Kind.BOOLEAN,
    "language": Kind.TEXT,
    "library": Kind.TEXT,
    "location_lat": Kind.NUMBER,
    "location_lng": Kind.NUMBER,
    "os_name": Kind.TEXT,
    "os_version": Kind.TEXT,
    "partner_id": Kind.TEXT,
    "paying": Kind.TEXT_OR_BOOLEAN,
    "plan": Kind.OBJECT,
    "platform": Kind.TEXT,
    "processed_time": Kind.TIME,
    "region": Kind.TEXT,
    "sample_rate": Kind.NUMBER,
    "server_received_time": Kind.TIME,
    "server_upload_time": Kind.TIME,
    "session_id": Kind.INTEGER,
    "source_id": Kind.TEXT_OR_INTEGER,
    "start_version": Kind.TEXT,
    "user_creation_time": Kind.TIME,
    "user_id": Kind.TEXT,
    "user_properties": Kind.OBJECT,
    "uuid": Kind.TEXT,
    "version_name": Kind.TEXT,
}
EVENTS: Fields = {**EXPORTED, "export_hour": Kind.TIME}

# Source: https://amplitude.com/docs/apis/analytics/behavioral-cohorts
COHORTS: Fields = {
    "id": Kind.TEXT,
    "name": Kind.TEXT,
    "description": Kind.TEXT,
    "appId": Kind.INTEGER,
    "size": Kind.INTEGER,
    "type": Kind.TEXT,
    "definition": Kind.OBJECT,
    "count_group": Kind.TEXT,
    "archived": Kind.BOOLEAN,
    "finished": Kind.BOOLEAN,
    "published": Kind.BOOLEAN,
    "hidden": Kind.BOOLEAN,
    "is_predictive": Kind.BOOLEAN,
    "is_official_content": Kind.BOOLEAN,
    "owners": Kind.LIST,
    "viewers": Kind.LIST,
    "createdAt": Kind.TIME,
    "lastMod": Kind.TIME,
    "lastComputed": Kind.TIME,
    "last_viewed": Kind.TIME,
    "metadata": Kind.LIST,
    "view_count": Kind.INTEGER,
    "popularity": Kind.INTEGER,
    "chart_id": Kind.TEXT,
    "edit_id": Kind.TEXT,
    "location_id": Kind.TEXT,
    "shortcut_ids": Kind.LIST,
    "syncMetadata": Kind.LIST,
}
COHORT_MEMBERS: Fields = {
    "cohort_id": Kind.TEXT,
    "cohort_name": Kind.TEXT,
    "cohort_size": Kind.INTEGER,
    "count_group": Kind.TEXT,
    "member_id": Kind.TEXT,
    "amplitude_id": Kind.INTEGER,
    "user_id": Kind.TEXT,
    "user_properties": Kind.OBJECT,
}

# Source: https://amplitude.com/docs/data/destination-catalog/amazon-s3
MERGED_IDS: Fields = {
    "amplitude_id": Kind.INTEGER,
    "merged_amplitude_id": Kind.INTEGER,
    "merge_time": Kind.TIME,
    "merge_server_time": Kind.TIME,
    "scope": Kind.TEXT_OR_INTEGER,
}
# Source: https://amplitude.com/docs/data/destination-catalog/cohort-webhooks
COHORT_CHANGES: Fields = {
    "message_id": Kind.TEXT,
    "cohort_id": Kind.TEXT,
    "cohort_name": Kind.TEXT,
    "action": Kind.TEXT,
    "computed_time": Kind.TIME,
    "member_id": Kind.TEXT,
    "user_id": Kind.TEXT,
    "amplitude_id": Kind.INTEGER,
    "user_properties": Kind.OBJECT,
}

# Source: https://amplitude.com/docs/apis/analytics/dashboard-rest
EVENTS_LIST: Fields = {
    "value": Kind.TEXT,
    "display": Kind.TEXT,
    "totals": Kind.INTEGER,
    "non_active": Kind.BOOLEAN,
    "deleted": Kind.BOOLEAN,
    "hidden": Kind.BOOLEAN,
    "flow_hidden": Kind.BOOLEAN,
}
ACTIVE_USERS: Fields = {"date": Kind.DATE, "segment": Kind.TEXT, "active_users": Kind.INTEGER}
AVERAGE_SESSION_LENGTH: Fields = {"date": Kind.DATE, "segment": Kind.TEXT, "average_seconds": Kind.NUMBER}

# Source: https://amplitude.com/docs/apis/analytics/taxonomy
EVENT_CATEGORIES: Fields = {"id": Kind.INTEGER, "name": Kind.TEXT}
EVENT_PROPERTIES: Fields = {
    "event_type": Kind.TEXT,
    "event_property": Kind.TEXT,
    "description": Kind.TEXT,
    "type": Kind.TEXT,
    "regex": Kind.TEXT,
    "enum_values": Kind.TEXT_OR_LIST,
    "is_array_type": Kind.BOOLEAN,
    "is_required": Kind.BOOLEAN,
    "is_hidden": Kind.BOOLEAN,
    "classifications": Kind.LIST,
}
USER_PROPERTIES: Fields = {
    "user_property": Kind.TEXT,
    "description": Kind.TEXT,
    "type": Kind.TEXT,
    "regex": Kind.TEXT,
    "enum_values": Kind.TEXT_OR_LIST,
    "is_array_type": Kind.BOOLEAN,
    "is_hidden": Kind.BOOLEAN,
    "classifications": Kind.LIST,
    "deleted": Kind.BOOLEAN,
}

# Source: https://amplitude.com/docs/apis/analytics/chart-annotations
ANNOTATIONS: Fields = {
    "id": Kind.INTEGER,
    "start": Kind.TIME,
    "end": Kind.TIME,
    "label": Kind.TEXT,
    "details": Kind.TEXT,
    "category": Kind.OBJECT,
    "chart_id": Kind.TEXT,
}
