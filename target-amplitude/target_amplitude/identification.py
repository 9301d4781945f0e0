"""Identifications: changes of a user's or a group's properties, and how several become one. Pure.

Source: https://amplitude.com/docs/apis/analytics/identify and .../group-identify.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

# Operations of which the newest value wins, so that a later one replaces an earlier one that was not sent yet.
REPLACING = frozenset({"$set", "$unset"})


@dataclass(slots=True)
class Identification:
    """Changes of the properties of one user (or device) or one group.

    Attributes:
        subject: `{"user_id": …}`, `{"device_id": …}`, both, or `{"group_type": …, "group_value": …}`.
        operations: Operation → property → value.
        time: Epoch milliseconds; None where the stream has no time.
        insert_id: By which Amplitude recognises a repeated `$identify` event.
        others: Further keys of an identification (`groups`, `platform`, …).
    """

    subject: dict[str, str]
    operations: dict[str, dict[str, Any]]
    time: int | None
    insert_id: str = ""
    others: dict[str, Any] | None = None

    @property
    def is_group(self) -> bool:
        """Whether it is about a group."""
        return "group_type" in self.subject


def replaces(operations: Mapping[str, Any], others: Mapping[str, Any] | None) -> bool:
    """Whether nothing but the newest value of each property matters, so that several changes can become one."""
    return not others and operations.keys() <= REPLACING


def lane_key(subject: Mapping[str, Any]) -> str:
    """Return the id by which requests about a user or group are kept in order."""
    return str(subject.get("user_id") or subject.get("device_id") or subject.get("group_value"))


def owner(subject: Mapping[str, Any]) -> str:
    """Return a text that stands for the user, device or group whose properties an event or identification changes."""
    if user := subject.get("user_id"):
        return f"u{user}"
    if device := subject.get("device_id"):
        return f"d{device}"
    return f"g{subject['group_type']}\0{subject['group_value']}"
