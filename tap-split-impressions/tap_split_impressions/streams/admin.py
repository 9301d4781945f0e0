"""Streams of the Admin API's lists, each read as a whole."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

from singer_sdk import Tap
from singer_sdk import typing as th

from tap_split_impressions.common.tap.tap import PlainStream
from tap_split_impressions.common.timestamps import rfc3339
from tap_split_impressions.impressions.item import moment_or_none
from tap_split_impressions.impressions.record import Names
from tap_split_impressions.streams.services import AdminLists, Services

TEXT = th.StringType
LIST = th.ArrayType(th.AnyType)


class ListStream(PlainStream):
    """A list of the workspace."""

    selected_by_default = True

    # The path in the API's object of columns that have another name there.
    paths: ClassVar[dict[str, tuple[str, ...]]] = {}

    def __init__(self, tap: Tap, api: AdminLists, services: Services) -> None:
        super().__init__(tap)
        self._api = api
        self._services = services

    def get_records(self, context: Any) -> Iterable[dict[str, Any]]:
        """Yield the list's rows."""
        for entry in getattr(self._api, self.name):
            self._services.end_if_stopping()
            record = {name: reached(entry, self.paths.get(name, (name,))) for name in self.schema["properties"]}
            if "created_at" in record:
                created = moment_or_none(record["created_at"])
                record["created_at"] = None if created is None else rfc3339(created)
            yield record | {"workspace_id": self._api.scope}


class FeatureFlags(ListStream):
    """Feature flags with their traffic types."""

    name = "feature_flags"
    primary_keys = ("workspace_id", "name")
    paths: ClassVar = {
        "traffic_type_id": ("trafficType", "id"),
        "traffic_type": ("trafficType", "name"),
        "created_at": ("creationTime",),
        "rollout_status": ("rolloutStatus", "name"),
    }
    schema = th.PropertiesList(
        th.Property("workspace_id", TEXT, required=True),
        th.Property("id", TEXT),
        th.Property("name", TEXT, required=True),
        th.Property("description", TEXT),
        th.Property("traffic_type_id", TEXT),
        th.Property("traffic_type", TEXT),
        th.Property("created_at", th.DateTimeType),
        th.Property("rollout_status", TEXT),
        th.Property("tags", LIST),
        th.Property("owners", LIST),
    ).to_dict()


class Environments(ListStream):
    """Environments."""

    name = "environments"
    primary_keys = ("id",)
    schema = th.PropertiesList(
        th.Property("workspace_id", TEXT, required=True),
        th.Property("id", TEXT, required=True),
        th.Property("name", TEXT, required=True),
        th.Property("production", th.BooleanType),
    ).to_dict()


class TrafficTypes(ListStream):
    """Traffic types."""

    name = "traffic_types"
    primary_keys = ("id",)
    paths: ClassVar = {"display_attribute_id": ("displayAttributeId",)}
    schema = th.PropertiesList(
        th.Property("workspace_id", TEXT, required=True),
        th.Property("id", TEXT, required=True),
        th.Property("name", TEXT, required=True),
        th.Property("display_attribute_id", TEXT),
    ).to_dict()


class Segments(ListStream):
    """Segments, without their keys."""

    name = "segments"
    primary_keys = ("workspace_id", "name")
    paths: ClassVar = {key: FeatureFlags.paths[key] for key in ("traffic_type_id", "traffic_type", "created_at")}
    schema = th.PropertiesList(
        th.Property("workspace_id", TEXT, required=True),
        th.Property("name", TEXT, required=True),
        th.Property("description", TEXT),
        th.Property("traffic_type_id", TEXT),
        th.Property("traffic_type", TEXT),
        th.Property("created_at", th.DateTimeType),
        th.Property("tags", LIST),
    ).to_dict()


LISTS = (FeatureFlags, Environments, TrafficTypes, Segments)


def reached(entry: Any, path: tuple[str, ...]) -> Any:
    """Return what lies at a path of objects, or None where there is nothing."""
    for part in path:
        entry = entry.get(part) if isinstance(entry, dict) else None
    return entry


def names_of(api: AdminLists) -> Names:
    """Return what the Admin API knows beside the impressions."""
    return Names(
        environments=pairs(api.environments, ("id",), ("name",)),
        traffic_types=pairs(api.traffic_types, ("id",), ("name",)),
        traffic_type_of_flag=pairs(api.feature_flags, ("name",), ("trafficType", "name")),
    )


def pairs(entries: list[dict[str, Any]], key: tuple[str, ...], value: tuple[str, ...]) -> dict[str, str]:
    """Return what lies at one path by what lies at another, of the entries that have both."""
    found = ((reached(entry, key), reached(entry, value)) for entry in entries)
    return {name: meaning for name, meaning in found if name and meaning}
