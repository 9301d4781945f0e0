"""Impressions of the SDKs' listeners, and in the SDKs' own JSON, under the names of the webhook. Pure.

| SDK | what its listener gets, as JSON |
| --- | --- |
| JavaScript | `{"impression": {…}, "attributes", "ip", "hostname", "sdkLanguageVersion"}` |
| Python | the same with a named tuple, which JSON writes as a list, and `sdk-language-version`, `instance-id` |
| Go | `{"Impression": {short names}, "Attributes", "InstanceID", "SDKLanguageVersion"}` |
| Ruby | `{"i": {short names}, "m": {"s": SDK and version, "i": IP, "n": host}, "attributes"}` |

The bulks that SDKs post are `[{"f": flag, "i": [{short names}]}]`. Sources:
https://github.com/splitio/javascript-commons, python-client, go-client, go-split-commons and ruby-client.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

SHORT_NAMES = {
    "k": "key",
    "b": "bucketingKey",
    "f": "split",
    "t": "treatment",
    "r": "label",
    "c": "changeNumber",
    "m": "time",
}
OF_EACH_IMPRESSION = {"k", "t", "m"}

# Python's named tuple; the last members came with later versions.
TUPLE_NAMES = ("key", "split", "treatment", "label", "changeNumber", "bucketingKey", "time", "pt", "properties")
TUPLE_LENGTHS = (7, 8, 9)

ENVELOPES = ("impression", "Impression", "i")
RUBY_CONTEXT = {"s": "sdkVersion", "i": "machineIp", "n": "machineName"}


def spelled_out(impression: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return an impression with its short names, if it has them, replaced by those of the webhook."""
    if not impression.keys() >= OF_EACH_IMPRESSION:
        return impression
    return {SHORT_NAMES.get(name, name): value for name, value in impression.items()}


def enveloped(body: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return the impression inside a listener's object, or None when the object is not a listener's."""
    for name in ENVELOPES:
        value = body.get(name)
        if isinstance(value, dict):
            return spelled_out(value)
        if name == "impression" and isinstance(value, list) and len(value) in TUPLE_LENGTHS:
            return dict(zip(TUPLE_NAMES, value, strict=False))
    return None


def context_of(body: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what stands around the impression in a listener's object."""
    ruby = body.get("m")
    if not isinstance(ruby, dict):
        return body
    return {**body, **{name: ruby.get(short) for short, name in RUBY_CONTEXT.items()}}


def members_of(group: Mapping[str, Any]) -> tuple[Any, list[Any]] | None:
    """Return the flag and the impressions of an object that groups them by flag; None for any other object."""
    for flag, members in (("testName", "keyImpressions"), ("f", "i")):
        if isinstance(group.get(members), list):
            return group.get(flag), group[members]
    return None
