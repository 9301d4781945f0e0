"""What Split's impressions become in Amplitude. Pure.

An impression is recognized by its columns (`key`, `split`, `treatment`, `time`), whatever its stream is called.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from target_amplitude.api.coerce import WRONG_TYPE, Count, clean_properties, clean_text, is_plain
from target_amplitude.api.outcomes import Rejected, Skipped
from target_amplitude.common.record_paths import Getter, Record, is_empty, object_in
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
# What the application passed to the SDK, as its listener hears it. Sent only where `include` names it: personal data.
ATTRIBUTES = "attributes"
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


def is_impression(schema: Mapping[str, Any]) -> bool:
    """Whether a stream's schema is that of impressions."""
    return all(column in schema.get("properties", ()) for column in COLUMNS)


class ImpressionPropertiesReader:
    """Reads an impression's event properties; those that the SDK's caller passed (`properties`) win."""

    def __init__(self, selection: Selection, count: Count) -> None:
        offered = PROPERTIES | PROPERTIES_ON_REQUEST if selection.chosen else PROPERTIES
        self.pairs = [(sent, column) for name, column in offered.items() if (sent := selection.name(name)) is not None]
        self._selection = selection
        self._has_attributes = selection.names(ATTRIBUTES)
        self._count = count

    def read(self, record: Record) -> dict[str, Any]:
        """Return the event properties within the limits."""
        get = record.get
        properties = {name: value for name, column in self.pairs if (value := get(column)) is not None}
        if own := self._object(get("properties")):
            properties.update(self._selection(own))
        if self._has_attributes and (attributes := self._object(get(ATTRIBUTES))):
            properties.update(self._selection({ATTRIBUTES: attributes}))
        return properties if is_plain(properties) else clean_properties(properties, self._count)

    def _object(self, value: Any) -> dict[str, Any] | None:
        if value is None or type(value) is dict:
            return value
        found = object_in(value)
        if found is None and not is_empty(value):
            self._count(WRONG_TYPE)
        return found


class ExposurePropertiesReader:
    """Reads the event properties of an impression's `$exposure`."""

    def __init__(self, experiment_key: Getter, count: Count) -> None:
        self._experiment_key = experiment_key
        self._count = count

    def read(self, record: Record) -> dict[str, Any]:
        """Return `flag_key`, `variant` and perhaps `experiment_key`.

        Raises:
            Skipped: There was no exposure: the treatment is empty or `control`.
            Rejected: The impression names no flag.
        """
        treatment = treatment_of(record)
        if treatment == CONTROL:
            raise Skipped("control")
        properties = {"flag_key": flag_of(record), "variant": treatment}
        experiment = self._experiment_key(record)
        if experiment is not None and str(experiment).strip():
            properties["experiment_key"] = str(experiment)
        return {name: clean_text(text, self._count) for name, text in properties.items()}


def treatment_of(impression: Record) -> str:
    """Return an impression's treatment.

    Raises:
        Skipped: It has none.
    """
    treatment = impression.get("treatment")
    if not isinstance(treatment, str) or not treatment.strip():
        raise Skipped("no treatment")
    return treatment


def flag_of(impression: Record) -> str:
    """Return the name of an impression's flag.

    Raises:
        Rejected: It has none.
    """
    flag = impression.get("split")
    if not isinstance(flag, str) or not flag.strip():
        raise Rejected("no flag")
    return flag
