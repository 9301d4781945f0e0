"""One impression, whatever door it came through: from any payload's shape to the record of the stream.

Pure: no input or output. The shapes and their field names are those of Split's webhook, S3 export, Evaluator,
Synchronizer, Proxy and SDK listeners (https://developer.harness.io/docs/feature-management-experimentation/).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta, timezone
from functools import lru_cache
from hashlib import blake2b
from typing import Any, NamedTuple

import msgspec

LAST_SECOND = 253_402_300_799  # 9999-12-31T23:59:59Z, the last that RFC 3339 can write
EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)

# A number is taken for the unit in which it lies between 1973 and 5138. Split's own documents show a `time` in seconds.
SECONDS_BELOW, MILLISECONDS_BELOW, MICROSECONDS_BELOW = 10**11, 10**14, 10**17

# `sdkVersion` of the Synchronizer and `sdkLanguageVersion` of the listeners hold both, as in "python-10.4.0".
JOINED_SDK = re.compile(r"([A-Za-z_.+-]+?)-(\d.*)")


class NotAnImpression(ValueError):  # noqa: N818  (it names what was found)
    """Something that lacks what makes an impression. The message is a reason without data, fit for a log."""


class Item(
    msgspec.Struct,
    gc=False,
    forbid_unknown_fields=True,  # an object of another door must not pass for one with its other fields dropped
    rename={
        "bucketing_key": "bucketingKey",
        "version": "splitVersionNumber",
        "environment_id": "environmentId",
        "environment_name": "environmentName",
        "traffic_type_id": "trafficTypeId",
        "traffic_type": "trafficTypeName",
        "sdk_version": "sdkVersion",
        "machine_name": "machineName",
        "machine_ip": "machineIp",
        "previous_time": "pt",
        "received": "receptionTimestamp",
    },
):
    """An impression as it came, under one set of names; decoded from JSON it is exactly an item of Split's webhook.

    Times are whole numbers since 1970, usually milliseconds; `properties` is an object, a JSON text or nothing.
    """

    key: str
    split: str
    treatment: str
    time: int
    bucketing_key: str | None = None
    label: str | None = None
    version: int | None = None
    environment_id: str | None = None
    environment_name: str | None = None
    traffic_type_id: str | None = None
    traffic_type: str | None = None
    sdk: str | None = None
    sdk_version: str | None = None
    machine_name: str | None = None
    machine_ip: str | None = None
    properties: Any = None
    previous_time: int | None = None
    received: int | None = None


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
    previous_time: str | None
    received_at: str


# Every name under which a door gives a field, in small letters without signs, so that `MachineName`, `machine_name` and
# `machineName` are one. The first is the record's own.
ALIASES: dict[str, tuple[str, ...]] = {
    "key": ("key", "keyname", "matchingkey"),
    "split": (
        "split",
        "splitname",
        "testname",
        "feature",
        "featurename",
        "featureflag",
        "featureflagname",
        "flag",
        "flagname",
    ),
    "treatment": ("treatment",),
    "time": ("time", "timestamp"),
    "bucketing_key": ("bucketingkey",),
    "label": ("label", "appliedrule"),
    "version": ("splitversionnumber", "splitversion", "changenumber", "version"),
    "environment_id": ("environmentid",),
    "environment_name": ("environmentname", "environment"),
    "traffic_type_id": ("traffictypeid",),
    "traffic_type": ("traffictype", "traffictypename"),
    "sdk": ("sdk",),
    "sdk_version": ("sdkversion", "sdklanguageversion"),
    "machine_name": ("machinename", "hostname"),
    "machine_ip": ("machineip", "ip"),
    "properties": ("properties",),
    "previous_time": ("previoustime", "pt"),
    "received": ("receivedat", "receptiontimestamp"),
}
FIELD_OF = {alias: field for field, aliases in ALIASES.items() for alias in aliases}
NECESSARY = ("key", "split", "treatment", "time")


@lru_cache(maxsize=4096)
def field_of(name: str) -> str | None:
    """Return the field of `Item` that a payload's or file's name stands for, or None."""
    return FIELD_OF.get("".join(letter for letter in name.lower() if letter.isalnum()))


def milliseconds(value: Any) -> int | None:
    """Return a time as milliseconds since 1970: a number (seconds to nanoseconds), digits in a text, or ISO 8601.

    A time without a zone is UTC. Nothing (None or an empty text) stays None.

    Raises:
        NotAnImpression: When the value is no time between the years 1970 and 9999.
    """
    if value is None or value == "":
        return None
    if isinstance(value, str):
        value = number_or_moment(value.strip())
    if isinstance(value, datetime):
        moment = value if value.tzinfo else value.replace(tzinfo=timezone.utc)
        value = (moment - EPOCH) // timedelta(milliseconds=1)
    elif isinstance(value, bool) or not isinstance(value, (int, float)) or value != value:  # noqa: PLR0124  (NaN)
        raise NotAnImpression("a time is neither a number nor a date")
    elif value < SECONDS_BELOW:
        value = round(value * 1000)
    elif value >= MILLISECONDS_BELOW:
        value = value // (1000 if value < MICROSECONDS_BELOW else 1_000_000)
    if not 0 <= value <= LAST_SECOND * 1000:
        raise NotAnImpression("a time lies outside the years 1970 to 9999")
    return int(value)


def number_or_moment(text: str) -> float | datetime:
    """Read a text as a number, else as a moment in ISO 8601 (with a space or `T`, `Z` or an offset)."""
    try:
        return int(text)
    except ValueError:
        pass
    try:
        return float(text)
    except ValueError:
        pass
    try:
        # datetime reads `Z`, and fractions of any length, only from Python 3.11 on.
        plain = re.sub(r"\.(\d+)", lambda digits: "." + digits[1][:6].ljust(6, "0"), text)
        return datetime.fromisoformat(re.sub(r"\s*(?:[zZ]|UTC)$", "+00:00", plain))
    except ValueError:
        raise NotAnImpression("a time is neither a number nor a date") from None


@lru_cache(maxsize=65536)
def second_text(second: int) -> str:
    """Return a second since 1970 as `2026-01-01T10:00:00.`."""
    return (EPOCH + timedelta(seconds=second)).isoformat()[:19] + "."


FRACTIONS = [f"{fraction:03d}Z" for fraction in range(1000)]


def rfc3339(moment: int) -> str:
    """Return milliseconds since 1970 as `2026-01-01T10:00:00.123Z`."""
    return second_text(moment // 1000) + FRACTIONS[moment % 1000]


# Environment id, flag, key, bucketing key, treatment, label, flag version, time in milliseconds.
NaturalKey = tuple[str | None, str, str, str | None, str, str | None, int | None, int]
encode_natural_key = msgspec.json.Encoder().encode


def impression_id(natural_key: NaturalKey) -> str:
    """Return the id of an impression: 32 hex digits, the same through whichever door it came.

    BLAKE2b-128 over the natural key as a JSON array. In JSON an absent part (null) differs from an empty one (""), and
    no two lists of parts give one text.
    """
    return blake2b(encode_natural_key(natural_key), digest_size=16).hexdigest()


def properties_of(value: Any) -> dict[str, Any] | None:
    """Return an impression's properties as an object. They come as an object, a JSON text, an empty text or null.

    Raises:
        ValueError: When the value is something else, or a broken text.
    """
    if not value:
        return None
    if isinstance(value, str):
        value = msgspec.json.decode(value) if value.strip() else None
    if value is not None and not isinstance(value, dict):
        raise ValueError("properties are no object")
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
        unreadable_properties: How many impressions had properties that are no JSON object.
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
            NotAnImpression: When its time is none.
        """
        key, split, treatment, version = item.key, item.split, item.treatment, item.version
        environment_id = item.environment_id
        # S3 writes an empty text where the webhook writes null.
        bucketing_key, label = item.bucketing_key or None, item.label or None
        time = item.time
        if not SECONDS_BELOW <= time < MILLISECONDS_BELOW:
            time = milliseconds(time)  # type: ignore[assignment]  # a number never gives None
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
            None if item.previous_time is None else previous_time_text(item.previous_time),
            received_at,
        )

    def _properties(self, value: Any) -> dict[str, Any] | None:
        try:
            return properties_of(value)
        except ValueError:
            self.unreadable_properties += 1
            return None


def previous_time_text(value: int) -> str | None:
    """Return the time of the same key's previous impression as RFC 3339; an impossible one is None."""
    moment = moment_or_none(value)
    return None if moment is None else rfc3339(moment)


def items_of(body: Any) -> Iterator[Item | NotAnImpression]:
    """Yield what a decoded payload of any door holds; what is no impression comes as the reason instead.

    Takes the webhook's array, the `impressions` object of Evaluator, Synchronizer and Proxy, the object of a JavaScript
    listener, a single impression, and arrays of these.
    """
    if isinstance(body, list):
        for element in body:
            yield from items_of(element)
    elif not isinstance(body, dict):
        yield NotAnImpression("not an object")
    elif isinstance(body.get("impressions"), list):
        context = {name: value for name, value in body.items() if name != "impressions"}
        for group in body["impressions"]:
            yield from (items_of_group(group, context) if isinstance(group, dict) else items_of(group))
    elif isinstance(body.get("impression"), dict):
        context = {name: body.get(name) for name in ("ip", "hostname", "sdkLanguageVersion")}
        yield item_or_reason(context | body["impression"])
    else:
        yield from items_of_group(body, {})


def items_of_group(group: Mapping[str, Any], context: Mapping[str, Any]) -> Iterator[Item | NotAnImpression]:
    """Yield the impressions of one flag, `{"testName": …, "keyImpressions": […]}`, or an object that is one itself."""
    members = group.get("keyImpressions")
    if not isinstance(members, list):
        yield item_or_reason({**context, **group})
        return
    shared = {**context, "testName": group.get("testName")}
    for member in members:
        yield item_or_reason({**shared, **member}) if isinstance(member, dict) else NotAnImpression("not an object")


def item_or_reason(values: Mapping[str, Any]) -> Item | NotAnImpression:
    """Return `item_from` of the values, or why there is none."""
    try:
        return item_from(values)
    except NotAnImpression as reason:
        return reason


def item_from(values: Mapping[str, Any]) -> Item:
    """Return the item that an object or row holds, its fields under any of their known names.

    Raises:
        NotAnImpression: When it lacks a key, a flag, a treatment or a time, or a time cannot be read.
    """
    known: dict[str, Any] = {}
    for name, value in values.items():
        field = field_of(name)
        if field and known.get(field) is None:
            known[field] = value
    return item_of_fields(known)


def item_of_fields(fields: dict[str, Any]) -> Item:
    """Return the item of values already under the names of `Item`'s fields; the given dictionary is changed.

    Raises:
        NotAnImpression: As `item_from`.
    """
    for field in NECESSARY:
        if fields.get(field) is None:
            raise NotAnImpression(f"without {field}")
    for field, value in fields.items():
        convert: Callable[[Any], Any] = CONVERSIONS.get(field, text_of)
        fields[field] = convert(value)
    if fields["time"] is None:
        raise NotAnImpression("without time")
    return Item(**fields)


def text_of(value: Any) -> str | None:
    """Return a value as text. JavaScript's listener gives false for a name it does not know; containers are no text."""
    if value is None or isinstance(value, (bool, dict, list)):
        return None
    return value if isinstance(value, str) else str(value)


def necessary_text(value: Any) -> str:
    """Return a value as text.

    Raises:
        NotAnImpression: When it is neither a text nor a number.
    """
    text = text_of(value)
    if text is None:
        raise NotAnImpression("a key, flag or treatment is no text")
    return text


def version_of(value: Any) -> int | None:
    """Return a flag's version as a number, from a number or digits in a text; anything else is None."""
    try:
        number = int(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return number if -(2**63) <= number < 2**63 else None


def moment_or_none(value: Any) -> int | None:
    """Return `milliseconds`, or None for what is no time: an impression is not lost for a side note."""
    try:
        return milliseconds(value)
    except NotAnImpression:
        return None


def unchanged(value: Any) -> Any:
    """Return the value."""
    return value


CONVERSIONS: dict[str, Callable[[Any], Any]] = {
    "key": necessary_text,
    "split": necessary_text,
    "treatment": necessary_text,
    "time": milliseconds,
    "version": version_of,
    "properties": unchanged,
    "previous_time": moment_or_none,
    "received": moment_or_none,
}
