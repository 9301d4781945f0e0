"""Rows as services send them, beside the usual ones of `benchmarks.data`.

Members that Amplitude added, values in another type, times in another form, texts that are cut in the middle of a
character.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Row = dict[str, Any]


def usual(row: Row, _: int) -> Row:
    """Leave a row as it is."""
    return row


def unknown_member(row: Row, number: int) -> Row:
    """Add members that the documentation does not have, one of them to every third row."""
    return row | {"display_name": "Page viewed"} | ({"followed_an_identify": False} if number % 3 else {})


def another_type(row: Row, _: int) -> Row:
    """Write numbers as texts, and a text as a number."""
    return row | {"amplitude_id": str(row["amplitude_id"]), "device_id": 4711, "event_id": float(row["event_id"])}


def short_times(row: Row, _: int) -> Row:
    """Write times with three digits and a `T`."""
    times = {name: value[:-3].replace(" ", "T") for name, value in row.items() if is_time(name, value)}
    return row | times


def odd_values(row: Row, number: int) -> Row:
    """Give one row in 20 half a surrogate pair, a NaN or a value that cannot be read, in turn."""
    if number % 20:
        return row
    oddities: list[Row] = [
        {"city": "cut \ud83d"},
        {"location_lat": float("nan"), "city": "cut \ud83d"},
        {"event_time": "soon", "data": 5},
    ]
    return row | oddities[number // 20 % len(oddities)]


def all_odd(row: Row, _: int) -> Row:
    """Give every row half a surrogate pair."""
    return row | {"city": "cut \ud83d"}


def is_time(name: str, value: Any) -> bool:
    """Whether a member is a time."""
    return name.endswith("_time") and isinstance(value, str)


SHAPES: dict[str, Callable[[Row, int], Row]] = {
    "usual": usual,
    "unknown members": unknown_member,
    "another type": another_type,
    "three-digit times": short_times,
    "one odd row in 20": odd_values,
    "all rows odd": all_odd,
}
