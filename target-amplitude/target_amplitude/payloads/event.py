"""Makes Amplitude events of records. Pure."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any, Protocol

from target_amplitude.api import event_fields
from target_amplitude.api.outcomes import Skipped
from target_amplitude.common.errors import ConnectorError
from target_amplitude.common.record_paths import Record, field_or_literal
from target_amplitude.mapping.properties import Selection
from target_amplitude.payloads import readers
from target_amplitude.payloads.impressions import CONTROL, ExposurePropertiesReader, ImpressionPropertiesReader
from target_amplitude.payloads.plan import StreamPlan
from target_amplitude.payloads.properties import PropertiesReader, UserPropertiesReader

# "library" is Amplitude's place for the client's name, https://amplitude.com/docs/apis/analytics/http-v2
LIBRARY = f"target-amplitude/{version('target-amplitude')}"


class PartReader(Protocol):
    """Reads one part of a payload from a record."""

    def read(self, record: Record) -> Any:
        """Return the part."""


class EventReader:
    """Makes an event of each record of a stream."""

    def __init__(self, plan: StreamPlan) -> None:
        self.ids = readers.required_ids(plan)
        self._event_type = readers.event_type(plan)
        self._time = readers.time(plan)
        self._event_properties = event_properties_reader(plan)
        self._others = other_parts(plan)
        self._fields = readers.fields(plan, event_fields.PLAIN_KEYS)
        self._insert_id = readers.insert_id(plan)
        if self._time is None:
            plan.notes.append(f"Stream '{plan.stream}' has no 'time': Amplitude uses the time of arrival.")

    def read(self, record: Record) -> dict[str, Any]:
        """Return the event.

        Raises:
            Skipped: The record is left out on purpose.
            Rejected: It can never be delivered.
        """
        event = self.ids.read(record)
        event["event_type"] = self._event_type.literal or self._event_type.read(record)
        if self._time is not None:
            event["time"] = self._time.read(record)
        if self._event_properties is not None:
            event["event_properties"] = self._event_properties.read(record)
        for name, reader in self._others:
            if value := reader.read(record):
                event[name] = value
        if self._fields is not None:
            event.update(self._fields.read(record))
        event["insert_id"] = self._insert_id.read(record, event)
        event["library"] = LIBRARY
        return event


class ExposureReader:
    """Checks the properties of an exposure that is not an impression."""

    def __init__(self, properties: PropertiesReader) -> None:
        self._properties = properties

    def read(self, record: Record) -> dict[str, Any]:
        """Return the event properties.

        Raises:
            Skipped: There was no exposure: no flag, no variant, or `control`.
        """
        properties = self._properties.read(record)
        if not properties.get("flag_key"):
            raise Skipped("no flag")
        variant = properties.get("variant")
        if not variant:
            raise Skipped("no treatment")
        if variant == CONTROL:
            raise Skipped("control")
        return properties


def event_properties_reader(plan: StreamPlan) -> PartReader | None:
    """Return what reads an event's own properties.

    Raises:
        ConnectorError: The stream is to become exposures, but nothing gives their flag and variant.
    """
    if plan.is_impression:
        if plan.load_as == "exposure":
            key = plan.settings.experiment_key
            return ExposurePropertiesReader(field_or_literal(key) if key else lambda _: None, plan.count)
        return ImpressionPropertiesReader(Selection(plan.mapping.get("event_properties", {})), plan.count)
    properties = readers.properties(plan, "event_properties", default=None if plan.is_native else {})
    if plan.load_as != "exposure":
        return properties
    if properties is None:
        raise ConnectorError(f"Stream '{plan.stream}': an exposure needs 'event_properties' flag_key and variant.")
    return ExposureReader(properties)


def other_parts(plan: StreamPlan) -> list[tuple[str, PartReader]]:
    """Return the objects of an event besides its own properties, and what reads each."""
    parts: list[tuple[str, PartReader]] = []
    plain, operations = readers.properties(plan, "user_properties"), readers.operations(plan)
    if plain is not None or operations.changes:
        parts.append(("user_properties", UserPropertiesReader(plain, operations, plan.count)))
    if (groups := readers.groups(plan)) is not None:
        parts.append(("groups", groups))
    if (group_properties := readers.properties(plan, "group_properties")) is not None:
        parts.append(("group_properties", group_properties))
    return parts
