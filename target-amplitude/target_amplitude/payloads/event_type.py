"""Reads the types of events. Pure."""

from __future__ import annotations

from typing import Any

from target_amplitude.api.coerce import Count, clean_text
from target_amplitude.api.limits import event_type_problem
from target_amplitude.api.outcomes import Rejected
from target_amplitude.common.record_paths import Record, field_or_literal

# A project holds no more types of events (Amplitude's page of limits).
MAX_USUAL_TYPES = 2_000


class EventTypeReader:
    """Reads an event's type.

    Attributes:
        literal: The type of all events; empty when it differs by record.
    """

    def __init__(self, member: Any, count: Count) -> None:
        self.literal = member if isinstance(member, str) else ""
        self._get = field_or_literal(member)
        self._count = count
        self._usual: set[str] = set()  # those that need no second look

    def read(self, record: Record) -> str:
        """Return the type.

        Raises:
            Rejected: There is none, or Amplitude reserves it.
        """
        value = self._get(record)
        if type(value) is str and value in self._usual:
            return value
        if problem := event_type_problem(value):
            raise Rejected(problem)
        text = clean_text(value, self._count)
        if text == value and len(self._usual) < MAX_USUAL_TYPES:
            self._usual.add(text)
        return text
