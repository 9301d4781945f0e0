"""Streams that Amplitude gives as one list each: the events list, the tracking plan, annotations."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import ClassVar

from tap_amplitude.common.errors import ConnectorError
from tap_amplitude.streams.base import AmplitudeStream, Context, Record
from tap_amplitude.streams.schemas import ANNOTATIONS, EVENT_CATEGORIES, EVENT_PROPERTIES, EVENTS_LIST, USER_PROPERTIES

EVENT_TYPES_PATH = "/api/2/taxonomy/event"


class ListStream(AmplitudeStream):
    """A list below the member `data` of an answer.

    Attributes:
        path: Documented path.
        what: What it is, in words, for messages.
    """

    path: ClassVar[str]
    what: ClassVar[str]

    def get_records(self, context: Context) -> Iterable[Record]:  # noqa: ARG002
        """Yield the list."""
        return self.list_at(self.path, self.what)

    def list_at(self, path: str, what: str, form: Mapping[str, str] | None = None) -> list[Record]:
        """Return the list that an address answers with.

        Raises:
            ConnectorError: It cannot be had, or the answer holds no list.
        """
        answer = self.tap.client.get(path, what, form=form)
        data = answer.get("data") if isinstance(answer, dict) else None
        if not isinstance(data, list):
            raise ConnectorError(f"Amplitude's answer for {what} holds no list 'data'.")
        return data


class EventsListStream(ListStream):
    """Event types with this week's totals; hidden ones are left out by Amplitude."""

    name = "events_list"
    fields = EVENTS_LIST
    keys = ("value",)
    path = "/api/2/events/list"
    what = "the events list"


class EventCategoriesStream(ListStream):
    """Categories of event types (Taxonomy API, Enterprise plans)."""

    name = "event_categories"
    fields = EVENT_CATEGORIES
    keys = ("id",)
    path = "/api/2/taxonomy/category"
    what = "the event categories"


class EventPropertiesStream(ListStream):
    """Properties of each event type (Taxonomy API, Enterprise plans); costs one request per event type."""

    name = "event_properties"
    fields = EVENT_PROPERTIES
    keys = ("event_type", "event_property")
    path = "/api/2/taxonomy/event-property"
    what = "the event properties"

    def get_records(self, context: Context) -> Iterable[Record]:  # noqa: ARG002
        """Yield the properties of one event type after another, for Amplitude wants one named."""
        for event in self.list_at(EVENT_TYPES_PATH, "the event types"):
            yield from self.list_at(self.path, self.what, {"event_type": str(event["event_type"])})


class UserPropertiesStream(ListStream):
    """User properties (Taxonomy API, Enterprise plans); custom ones begin with `gp:`."""

    name = "user_properties"
    fields = USER_PROPERTIES
    keys = ("user_property",)
    path = "/api/2/taxonomy/user-property"
    what = "the user properties"


class AnnotationsStream(ListStream):
    """Chart annotations."""

    name = "annotations"
    fields = ANNOTATIONS
    keys = ("id",)
    path = "/api/3/annotations"
    what = "the annotations"
