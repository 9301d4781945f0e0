"""Impressions as they come: any payload's shape, under one set of names. Pure.

The shapes and their field names are those of Split's webhook, S3 export, Evaluator, Synchronizer, Proxy and SDK
listeners (https://developer.harness.io/docs/feature-management-experimentation/).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from typing import Annotated, Any

import msgspec

from tap_split_impressions.common.number_ids import LARGEST_EXACT, whole_text
from tap_split_impressions.common.timestamps import USUAL_MILLISECONDS, epoch_milliseconds
from tap_split_impressions.impressions.listeners import context_of, enveloped, members_of, spelled_out

LARGEST_VERSION = 2**63 - 1
Version = Annotated[int, msgspec.Meta(ge=-LARGEST_VERSION, le=LARGEST_VERSION)]


class NotAnImpression(ValueError):  # noqa: N818  (it names what was found)
    """Something that lacks what makes an impression. The message is a reason without data, fit for a log."""


class Item(
    msgspec.Struct,
    gc=False,
    forbid_unknown_fields=True,  # an object of another source must not pass for one with its other fields dropped
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
    version: Version | None = None
    environment_id: str | None = None
    environment_name: str | None = None
    traffic_type_id: str | None = None
    traffic_type: str | None = None
    sdk: str | None = None
    sdk_version: str | None = None
    machine_name: str | None = None
    machine_ip: str | None = None
    properties: Any = None
    attributes: Any = None
    previous_time: int | None = None
    received: int | None = None


Row = Item | NotAnImpression
# Fields that are whole numbers; all others are texts, but for `properties` and `attributes`.
WHOLE_NUMBERS = ("time", "version", "previous_time", "received")

# What stands beside `impression` in an object of a JavaScript listener, and the field that it fills.
LISTENER_CONTEXT = {
    "ip": "machine_ip",
    "hostname": "machine_name",
    "sdkLanguageVersion": "sdk_version",
    "attributes": "attributes",
}

# Every name under which a source gives a field, in lower case without punctuation, so that `MachineName`,
# `machine_name` and `machineName` are one. The first is the record's own.
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
    "machine_name": ("machinename", "hostname", "instanceid"),
    "machine_ip": ("machineip", "ip"),
    "properties": ("properties",),
    "attributes": ("attributes",),
    "previous_time": ("previoustime", "pt"),
    "received": ("receivedat", "receptiontimestamp"),
}
FIELD_OF = {alias: field for field, aliases in ALIASES.items() for alias in aliases}
NECESSARY = ("key", "split", "treatment", "time")
# Fields that may stand around the impression in a listener's object.
AROUND = {
    *("environment_id", "environment_name", "traffic_type", "attributes"),
    *("sdk", "sdk_version", "machine_name", "machine_ip"),
}
FOREIGN, NOT_AN_OBJECT = "an object of another kind", "not an object"  # reasons that tell of data of another kind


@lru_cache(maxsize=4096)
def field_of(name: str) -> str | None:
    """Return the field of `Item` that a payload's or file's name stands for, or None."""
    return FIELD_OF.get("".join(letter for letter in name.lower() if letter.isalnum()))


def items_of(body: Any) -> Iterator[Row]:
    """Yield what a decoded payload of any source holds; what is not an impression comes as the reason instead.

    Takes the webhook's array, the `impressions` object of Evaluator, Synchronizer and Proxy, the objects of the SDKs'
    listeners, a single impression, and arrays of these.
    """
    if isinstance(body, list):
        for element in body:
            yield from items_of(element)
    elif not isinstance(body, dict):
        yield NotAnImpression(NOT_AN_OBJECT)
    elif isinstance(body.get("impressions"), list):
        context = {name: value for name, value in body.items() if name != "impressions"}
        for group in body["impressions"]:
            yield from (items_of_group(group, context) if isinstance(group, dict) else items_of(group))
    elif (impression := enveloped(body)) is not None:
        around = {
            name: value
            for name, value in context_of(body).items()
            if field_of(name) in AROUND and impression.get(name) is None
        }
        yield item_or_reason({**impression, **around})
    else:
        yield from items_of_group(body, {})


def items_of_group(group: Mapping[str, Any], context: Mapping[str, Any]) -> Iterator[Row]:
    """Yield the impressions of one flag, `{"testName": …, "keyImpressions": […]}`, or an object that is one itself."""
    found = members_of(group)
    if found is None:
        yield item_or_reason({**context, **spelled_out(group)})
        return
    flag, members = found
    shared = {**context, "testName": flag}
    for member in members:
        is_object = isinstance(member, dict)
        yield item_or_reason({**shared, **spelled_out(member)}) if is_object else NotAnImpression(NOT_AN_OBJECT)


def item_or_reason(values: Mapping[str, Any]) -> Row:
    """Return the item that an object holds, its fields under any of their known names, or why there is none."""
    known: dict[str, Any] = {}
    for name, value in values.items():
        field = field_of(name)
        if field and known.get(field) is None:
            known[field] = value
    try:
        return item_of_fields(known)
    except NotAnImpression as reason:
        return reason


def item_of_fields(fields: dict[str, Any]) -> Item:
    """Return the item of values already under the names of `Item`'s fields; the given dictionary is changed.

    Raises:
        NotAnImpression: It lacks a key, a flag, a treatment or a time, or one of them cannot be read.
    """
    missing = [name for name in NECESSARY if fields.get(name) is None]
    if missing:
        raise NotAnImpression(FOREIGN if len(missing) == len(NECESSARY) else f"without {missing[0]}")
    for field, value in fields.items():
        fields[field] = CONVERSIONS[field](value)
    if fields["time"] is None:
        raise NotAnImpression("without time")
    return Item(**fields)


def with_plausible_arrival(items: list[Any]) -> list[Any]:
    """Return rows, their times of arrival in milliseconds; an impossible one is removed."""
    for item in items:
        if isinstance(item, Item) and item.received is not None:
            item.received = arrival_or_none(item.received)
    return items


def arrival_or_none(value: int) -> int | None:
    """Return a time of arrival in milliseconds, or None for an impossible one."""
    return value if value in USUAL_MILLISECONDS else moment_or_none(value)


def text_of(value: Any) -> str | None:
    """Return a value as text. JavaScript's listener gives false for an unknown name; containers are not text."""
    if value is None or isinstance(value, (bool, dict, list)):
        return None
    if isinstance(value, float) and math.isnan(value):  # what pandas and Spark write for "missing"
        return None
    return value if isinstance(value, str) else str(value)


def id_of(value: Any) -> str | None:
    """Return a key, flag or treatment as text, a whole number without a fraction: pandas makes 12345 12345.0.

    Raises:
        NotAnImpression: It is a number that has lost digits, so that several keys may have become one.
    """
    if not isinstance(value, float) or math.isnan(value):
        return text_of(value)
    if abs(value) > LARGEST_EXACT:
        raise NotAnImpression("a key, flag or treatment is a number too large to be exact")
    return whole_text(value) or str(value)


def _necessary_text(value: Any) -> str:
    text = id_of(value)
    if text is None:
        raise NotAnImpression("a key, flag or treatment is not a text")
    return text


def version_of(value: Any) -> int | None:
    """Return a flag's version as a number, from a number or a text such as `1775000000001.0`; anything else is None."""
    number: int | None
    if isinstance(value, float) and not value.is_integer():
        return None
    try:
        number = int(value)
    except (TypeError, ValueError, OverflowError):
        number = version_in(value) if isinstance(value, str) else None
    return number if number is not None and abs(number) <= LARGEST_VERSION else None


def version_in(text: str) -> int | None:
    """Return the whole number that a text writes with a fraction of zeros, as spreadsheets do."""
    whole, _, fraction = text.strip().partition(".")
    return int(whole) if whole.isdecimal() and fraction.strip("0") == "" and len(whole) < 20 else None


def time_of(value: Any) -> int | None:
    """Return a time in milliseconds since 1970; None for a blank one.

    Raises:
        NotAnImpression: It is not a time that can be read without doubt.
    """
    if value is None or value == "":
        return None
    try:
        return epoch_milliseconds(value)
    except ValueError as reason:
        raise NotAnImpression(f"time: {reason}") from None


def moment_or_none(value: Any) -> int | None:
    """Return a time in milliseconds since 1970, or None for what is not one."""
    try:
        return epoch_milliseconds(value)
    except ValueError:
        return None


# What converts a value for each field of `Item`.
CONVERSIONS: dict[str, Callable[[Any], Any]] = dict.fromkeys(Item.__struct_fields__, text_of) | {
    "key": _necessary_text,
    "split": _necessary_text,
    "treatment": _necessary_text,
    "time": time_of,
    "bucketing_key": id_of,
    "version": version_of,
    "properties": lambda value: value,
    "attributes": lambda value: value,
    "previous_time": moment_or_none,
    "received": moment_or_none,
}
