"""What Split's impressions become in Amplitude. Pure.

An impression is recognised by its columns (`key`, `split`, `treatment`, `time`), whatever its stream is called.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from target_amplitude.api.limits import Count, Unusable, clean_properties, clean_text, id_problem, id_text, is_plain
from target_amplitude.common.record_paths import Record, first_match
from target_amplitude.mapping.properties import Selection

COLUMNS = ("key", "split", "treatment", "time")

# Event properties and the columns they come from. Split does not publish the names its own integration uses; these
# are the impression's own names in Amplitude's spelling.
PROPERTIES = {
    "split_name": "split",
    "treatment": "treatment",
    "label": "label",
    "traffic_type": "traffic_type",
    "environment_name": "environment_name",
    "environment_id": "environment_id",
    "split_version_number": "split_version_number",
    "bucketing_key": "bucketing_key",
    "sdk": "sdk",
    "sdk_version": "sdk_version",
}
# Sent only where `include` asks for them: they tell machines apart, not users or flags.
PROPERTIES_ON_REQUEST = {
    "machine_name": "machine_name",
    "machine_ip": "machine_ip",
    "previous_time": "previous_time",
    "received_at": "received_at",
    "impression_id": "impression_id",
}
# What makes an impression the same impression, where it comes without an `impression_id`.
NATURAL_KEY = (
    "environment_id",
    "split",
    "key",
    "bucketing_key",
    "treatment",
    "label",
    "split_version_number",
    "time",
)

# The treatment an SDK gives before it is ready, and for flags it does not know: nobody was exposed to anything.
CONTROL = "control"
# "Up to 1,500 experiment user properties per project", https://amplitude.com/docs/feature-experiment/under-the-hood/event-tracking
MAX_EXPOSED_FLAGS = 1500

DEFAULT_IDENTITY = {"*": "user_id"}


class LeftOut(Exception):  # noqa: N818  # a record, not an error
    """A record that is not meant to be sent; the message says why."""


def is_impression(schema: Mapping[str, Any]) -> bool:
    """Whether a stream's schema is that of impressions."""
    return all(column in schema.get("properties", ()) for column in COLUMNS)


def identity_reader(identity: Mapping[str, str], shortest: int) -> Callable[[Record], dict[str, Any]]:
    """Return a function that gives an impression's `{"user_id": key}` or `{"device_id": key}`.

    Args:
        identity: Traffic type or glob → `user_id` or `device_id`; an exact name goes before globs.
        shortest: Fewest characters of an id.

    The function raises:
        LeftOut: The impression has no key.
        Unusable: Amplitude refuses its key, or its traffic type has no identity.
    """
    kinds: dict[str, str | None] = {}

    def read(impression: Record) -> dict[str, Any]:
        key = impression.get("key")
        if type(key) is not str or not key or key.isspace():
            key = id_text(key)
            if key is None:
                raise LeftOut("no key")
        if problem := id_problem(key, shortest):
            raise Unusable(problem)
        name = impression.get("traffic_type")
        if type(name) is not str:
            name = ""
        try:
            kind = kinds[name]
        except KeyError:
            kind = kinds[name] = identity.get(name) or first_match(name, identity)
        if kind is None:
            raise Unusable("a traffic type that 'identity' does not name")
        return {kind: key}

    return read


def properties_reader(selection: Selection, count: Count) -> Callable[[Record], dict[str, Any]]:
    """Return a function that gives an impression's event properties; those of the SDK's caller win."""
    offered = PROPERTIES | PROPERTIES_ON_REQUEST if selection.chosen else PROPERTIES
    pairs = [(sent, column) for name, column in offered.items() if (sent := selection.name(name)) is not None]

    def read(impression: Record) -> dict[str, Any]:
        get = impression.get
        properties = {name: value for name, column in pairs if (value := get(column)) is not None}
        own = get("properties")
        if own and isinstance(own, dict):
            properties.update(selection(own))
        return properties if is_plain(properties) else clean_properties(properties, count)

    return read


def exposure_reader(experiment_key: Callable[[Record], Any], count: Count) -> Callable[[Record], dict[str, Any]]:
    """Return a function that gives the event properties of an exposure.

    It raises:
        LeftOut: There was no exposure: the treatment is empty or `control`.
        Unusable: The impression names no flag.
    """

    def read(impression: Record) -> dict[str, Any]:
        treatment = treatment_of(impression)
        if treatment == CONTROL:
            raise LeftOut("control")
        properties = {"flag_key": flag_of(impression), "variant": treatment}
        experiment = experiment_key(impression)
        if experiment is not None and str(experiment).strip():
            properties["experiment_key"] = str(experiment)
        return {name: clean_text(text, count) for name, text in properties.items()}

    return read


def treatment_of(impression: Record) -> str:
    """Return an impression's treatment.

    Raises:
        LeftOut: It has none.
    """
    treatment = impression.get("treatment")
    if not isinstance(treatment, str) or not treatment.strip():
        raise LeftOut("no treatment")
    return treatment


def flag_of(impression: Record) -> str:
    """Return the name of an impression's flag.

    Raises:
        Unusable: It has none.
    """
    flag = impression.get("split")
    if not isinstance(flag, str) or not flag.strip():
        raise Unusable("no flag")
    return flag
