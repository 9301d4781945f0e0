"""What must have arrived, worked out from the input alone, and how it differs from what did.

Written apart from the connectors: the rules here are read from the documentation, so a mistake there shows here.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from demo.data import ACCOUNT_FLAGS, REFUSED_KEYS

Row = dict[str, Any]

# The environment whose impressions the demo sends to Amplitude.
ENVIRONMENT = "Production"


def distinct(impressions: Iterable[Row]) -> list[Row]:
    """Drop repeats, other environments, and what Amplitude refuses."""
    seen = {
        json.dumps(row, sort_keys=True): row
        for row in impressions
        if row["key"] not in REFUSED_KEYS and row["environmentName"] == ENVIRONMENT
    }
    return list(seen.values())


def identity(row: Row) -> tuple[str, str]:
    """Return the id an impression is delivered under: accounts as devices, as the demo's `identity` says."""
    return ("device_id" if row["split"] in ACCOUNT_FLAGS else "user_id", row["key"])


def stored_identity(row: Row) -> tuple[str, str]:
    """Return the id under which Amplitude holds an event or a user."""
    kind = "user_id" if row.get("user_id") else "device_id"
    return (kind, row[kind])


def expected_events(impressions: list[Row]) -> Counter[Any]:
    return Counter(
        (*identity(row), row["time"], row["split"], row["treatment"], row["environmentName"], row["label"])
        for row in impressions
    )


def stored_events(events: list[Row]) -> Counter[Any]:
    names = ("split_name", "treatment", "environment_name", "label")
    return Counter(
        (*stored_identity(event), event["time"], *(event["event_properties"].get(name) for name in names))
        for event in events
        if event["event_type"] == "get_treatment"
    )


def expected_exposures(impressions: list[Row]) -> Counter[Any]:
    """Return the exposures that impressions become; `control` is none."""
    return Counter(
        (*identity(row), row["time"], row["split"], row["treatment"])
        for row in impressions
        if row["treatment"] != "control"
    )


def stored_exposures(events: list[Row]) -> Counter[Any]:
    found: Counter[Any] = Counter()
    for event in events:
        if event["event_type"] in ("$exposure", "[Experiment] Exposure"):
            properties = event["event_properties"]
            flag = properties.get("flag_key", properties.get("[Experiment] Flag Key"))
            variant = properties.get("variant", properties.get("[Experiment] Variant"))
            found[*stored_identity(event), event["time"], flag, variant] += 1
    return found


def expected_properties(impressions: list[Row]) -> Counter[Any]:
    """Return every user's newest treatment of each flag."""
    newest: dict[Any, Row] = {}
    for row in impressions:
        place = (*identity(row), row["split"])
        if place not in newest or row["time"] >= newest[place]["time"]:
            newest[place] = row
    return Counter((*place, row["treatment"]) for place, row in newest.items())


def stored_properties(users: list[Row], flags: Iterable[str]) -> Counter[Any]:
    wanted = set(flags)
    return Counter(
        (*stored_identity(user), name, value)
        for user in users
        for name, value in user["user_properties"].items()
        if name in wanted
    )


def expected_split_events(products: list[Row]) -> Counter[Any]:
    """Return the Split events that Amplitude's become: product events of known users, at their exact millisecond.

    Flag evaluations and exposures, which the demo put into Amplitude, do not return to Split.
    """
    return Counter((row["user_id"], milliseconds(row["event_time"])) for row in products if row["user_id"])


def stored_split_events(events: list[Row]) -> Counter[Any]:
    return Counter((event["key"], event["timestamp"]) for event in events)


def expected_members(members: list[Row]) -> set[str]:
    return {member["user_id"] for member in members if member["user_id"]}


def stored_members(segments: list[Row]) -> set[str]:
    """Return the same of what Split holds in its only segment."""
    return {key for segment in segments for key in segment["keys"]}


def milliseconds(text: str) -> int:
    moment = datetime.strptime(text, "%Y-%m-%d %H:%M:%S.%f").replace(tzinfo=UTC)
    return int(moment.timestamp()) * 1000 + moment.microsecond // 1000


class Compared:
    """Two sides of one kind of thing; `difference` says how they differ and is empty when they do not."""

    def __init__(self, what: str, expected: Counter[Any] | set[str], found: Counter[Any] | set[str]) -> None:
        missing, extra = Counter(expected), Counter(found)
        missing.subtract(Counter(found))
        extra.subtract(Counter(expected))
        lost, doubled = sum((+missing).values()), sum((+extra).values())
        example = next(iter(+missing or +extra), "")
        self.what = what
        self.count = sum(Counter(found).values())
        self.difference = f"{lost:,} missing, {doubled:,} too many, for example {example}" if lost or doubled else ""

    @property
    def verdict(self) -> str:
        return f"DIFFERS ({self.difference})" if self.difference else "equal"
