"""Identifications: changes of a user's or a group's properties, and how several become one. Pure.

Source: https://amplitude.com/docs/apis/analytics/identify and .../group-identify.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

# Operations of which the newest value wins, so that a later one replaces an earlier one that was not sent yet.
REPLACING = frozenset({"$set", "$unset"})


@dataclass
class Identification:
    """Changes of the properties of one user (or device) or one group.

    Attributes:
        subject: `{"user_id": …}`, `{"device_id": …}`, both, or `{"group_type": …, "group_value": …}`.
        operations: Operation → property → value.
        time: Epoch milliseconds; None where the stream has no time.
        insert_id: By which Amplitude recognises a repeated `$identify` event; empty where nothing tells repeats.
        others: Further keys of an identification (`groups`, `platform`, …).
    """

    subject: dict[str, str]
    operations: dict[str, dict[str, Any]]
    time: int | None
    insert_id: str
    others: dict[str, Any] = field(default_factory=dict)

    @property
    def lane_key(self) -> str:
        """What decides the lane: one user's changes keep their order."""
        return lane_key(self.subject)

    @property
    def is_group(self) -> bool:
        """Whether it is about a group."""
        return "group_type" in self.subject

    @property
    def replaces(self) -> bool:
        """Whether nothing but the newest value of each property matters."""
        return not self.others and self.operations.keys() <= REPLACING

    def values(self) -> Iterator[tuple[str, str, Any]]:
        """Yield operation, property and value."""
        for operation, properties in self.operations.items():
            for name, value in properties.items():
                yield operation, name, value


def lane_key(subject: dict[str, Any]) -> str:
    """Return the id by which requests about a user or group are kept in order."""
    return str(subject.get("user_id") or subject.get("device_id") or subject.get("group_value"))
