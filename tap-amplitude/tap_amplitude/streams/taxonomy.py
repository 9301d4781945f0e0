"""Streams that Amplitude returns as one list each: the events list, the taxonomy, annotations."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import ClassVar

from tap_amplitude.api.errors import RefusedError
from tap_amplitude.common.errors import ConnectorError
from tap_amplitude.records.schemas import ANNOTATIONS, EVENT_CATEGORIES, EVENT_PROPERTIES, EVENTS_LIST, USER_PROPERTIES
from tap_amplitude.streams.base import AmplitudeStream, Context, Record

EVENT_TYPES_PATH = "/api/2/taxonomy/event"


class ListStream(AmplitudeStream):
    """A list below the member `data` of an answer.

    Attributes:
        path: Documented path.
    """

    path: ClassVar[str]

    def get_records(self, context: Context) -> Iterable[Record]:
        """Yield the list."""
        return self.list_at(self.path, self.what)

    def list_at(self, path: str, what: str, form: Mapping[str, str] | None = None) -> list[Record]:
        """Return the list that an address answers with.

        Raises:
            ConnectorError: There is no such answer, or it holds no list.
        """
        answer = self.services.client.get(path, what, form=form)
        data = answer.get("data") if isinstance(answer, dict) else None
        if not isinstance(data, list):
            raise ConnectorError(f"Amplitude's answer for {what} holds no list 'data'.")
        return data


class EventsListStream(ListStream):
    """Event types with this week's totals; Amplitude leaves out hidden ones."""

    name = "events_list"
    fields = EVENTS_LIST
    keys = ("value",)
    path = "/api/2/events/list"


class TaxonomyStream(ListStream):
    """A list of the Taxonomy API, which belongs to Enterprise plans."""

    selected_by_default = False


class EventCategoriesStream(TaxonomyStream):
    """Categories of event types."""

    name = "event_categories"
    fields = EVENT_CATEGORIES
    keys = ("id",)
    path = "/api/2/taxonomy/category"


class EventPropertiesStream(TaxonomyStream):
    """Properties of each event type; costs one request per event type."""

    name = "event_properties"
    fields = EVENT_PROPERTIES
    keys = ("event_type", "event_property")
    path = "/api/2/taxonomy/event-property"

    def get_records(self, context: Context) -> Iterable[Record]:
        """Yield the properties of one event type after another, since Amplitude wants one named.

        An entry without a name is skipped, as is an event type that Amplitude does not know any more.
        """
        for event in self.list_at(EVENT_TYPES_PATH, "the event types"):
            event_type = event.get("event_type") if isinstance(event, dict) else None
            if not isinstance(event_type, str) or not event_type:
                self.logger.warning("Amplitude lists an event type without a name; it is skipped.")
                continue
            try:
                properties = self.list_at(
                    self.path, f"the properties of event type '{event_type}'", {"event_type": event_type}
                )
            except RefusedError as error:
                self.logger.warning("%s It is skipped.", error)
                continue
            # Amplitude may leave out what it was given.
            yield from ({"event_type": event_type} | row if isinstance(row, dict) else row for row in properties)


class UserPropertiesStream(TaxonomyStream):
    """User properties; custom ones begin with `gp:`."""

    name = "user_properties"
    fields = USER_PROPERTIES
    keys = ("user_property",)
    path = "/api/2/taxonomy/user-property"


class AnnotationsStream(ListStream):
    """Chart annotations."""

    name = "annotations"
    fields = ANNOTATIONS
    keys = ("id",)
    path = "/api/3/annotations"
