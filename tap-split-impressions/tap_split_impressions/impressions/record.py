"""An impression as the stream sends it: its id, its times, its names. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from hashlib import blake2b
from typing import Any, NamedTuple

import msgspec

from tap_split_impressions.common.lenient_json import decoded
from tap_split_impressions.common.timestamps import USUAL_MILLISECONDS, rfc3339
from tap_split_impressions.impressions.item import Item, moment_or_none, time_of

# `sdkVersion` of the Synchronizer and `sdkLanguageVersion` of the listeners hold both, as in "python-10.4.0".
JOINED_SDK = re.compile(r"([A-Za-z_.+-]+?)-(\d.*)")


class Impression(msgspec.Struct, gc=False):
    """A record of the stream `impressions`. Times are RFC 3339 in UTC with milliseconds."""

    impression_id: str
    key: str
    bucketing_key: str | None
    split: str
    treatment: str
    label: str | None
    time: str
    split_version_number: int | None
    environment_id: str | None
    environment_name: str | None
    traffic_type: str
    sdk: str | None
    sdk_version: str | None
    machine_name: str | None
    machine_ip: str | None
    properties: dict[str, Any] | None
    attributes: dict[str, Any] | None
    previous_time: str | None
    received_at: str


# Environment id, flag, key, bucketing key, treatment, label, flag version, time in milliseconds.
NaturalKey = tuple[str | None, str, str, str | None, str, str | None, int | None, int]
encode_natural_key = msgspec.json.Encoder().encode


def impression_id(natural_key: NaturalKey) -> str:
    """Return the id of an impression: 32 hex digits, the same whatever the source.

    BLAKE2b-128 over the natural key as a JSON array. In JSON an absent part (null) differs from an empty one (""), and
    no two lists of parts give one text.
    """
    return blake2b(encode_natural_key(natural_key), digest_size=16).hexdigest()


def properties_of(value: Any) -> dict[str, Any] | None:
    """Return an impression's properties as an object. They come as an object, a JSON text, an empty text or null.

    Raises:
        ValueError: The value is something else, or not valid JSON.
    """
    if not value:
        return None
    if isinstance(value, str):
        value = decoded(value.encode("utf-8", "surrogatepass")) if value.strip() else None
    if value is not None and not isinstance(value, dict):
        raise ValueError("properties are not an object")
    return value or None


class Names(NamedTuple):
    """What Split's Admin API adds to impressions: names by id, and the traffic type of each flag."""

    environments: Mapping[str, str] = {}
    traffic_types: Mapping[str, str] = {}
    traffic_type_of_flag: Mapping[str, str] = {}


class Shaper:
    """Gives an item the stream's shape.

    Args:
        traffic_type: The traffic type where neither the item nor `names` tells it.
        names: What is known beside the impressions.

    Attributes:
        unreadable_properties: How many impressions had properties that are not a JSON object.
    """

    def __init__(self, traffic_type: str, names: Names | None = None) -> None:
        self.traffic_type = traffic_type
        self.names = names
        self.unreadable_properties = 0

    def environment_name(self, item: Item) -> str | None:
        """Return the name of an item's environment, if it or `names` tells it."""
        if item.environment_name or not self.names:
            return item.environment_name
        return self.names.environments.get(item.environment_id or "")

    def traffic_type_of(self, item: Item) -> str:
        """Return the name of an item's traffic type: its own, that of its id, that of its flag, or the default."""
        if item.traffic_type or not self.names:
            return item.traffic_type or self.traffic_type
        by_id = self.names.traffic_types.get(item.traffic_type_id or "")
        return by_id or self.names.traffic_type_of_flag.get(item.split) or self.traffic_type

    def shape(self, item: Item, received_at: str) -> Impression:
        """Return the record of an item; `received_at` is RFC 3339.

        Raises:
            NotAnImpression: Its time is none.
        """
        key, split, treatment, version = item.key, item.split, item.treatment, item.version
        environment_id = item.environment_id
        # S3 writes an empty text where the webhook writes null.
        bucketing_key, label = item.bucketing_key or None, item.label or None
        time = item.time
        if time not in USUAL_MILLISECONDS:
            time = time_of(time)  # type: ignore[assignment]  # a number never gives None
        sdk, sdk_version = item.sdk, item.sdk_version
        if not sdk and sdk_version and (joined := JOINED_SDK.fullmatch(sdk_version)):
            sdk, sdk_version = joined.groups()
        return Impression(
            impression_id((environment_id, split, key, bucketing_key, treatment, label, version, time)),
            key,
            bucketing_key,
            split,
            treatment,
            label,
            rfc3339(time),
            version,
            environment_id,
            self.environment_name(item) if self.names else item.environment_name,
            self.traffic_type_of(item) if self.names else item.traffic_type or self.traffic_type,
            sdk,
            sdk_version,
            item.machine_name,
            item.machine_ip,
            self._properties(item.properties) if item.properties else None,
            item.attributes if isinstance(item.attributes, dict) and item.attributes else None,
            None if item.previous_time is None else previous_time_text(item.previous_time),
            received_at,
        )

    def _properties(self, value: Any) -> dict[str, Any] | None:
        try:
            return properties_of(value)
        except (ValueError, RecursionError):
            self.unreadable_properties += 1
            return None


def previous_time_text(value: int) -> str | None:
    """Return the time of the same key's previous impression as RFC 3339; an impossible one is None."""
    moment = moment_or_none(value)
    return None if moment is None else rfc3339(moment)
